Feature: For
  Loops (language.md, E12–E16).

  Scenario: E12 each turn works on the output of the last; the collection is evaluated once
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e12, version: '1.0.0' }
    do:
      - loop:
          for: { in: .items }
          do:
            - add: { set: { items: [], sum: '${ (.sum // 0) + $item }' } }
    """
    And given the workflow input is:
    """yaml
    items: [ 1, 2, 3 ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    items: []
    sum: 6
    """

  Scenario: E13 while is tested before each turn, with item and index
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e13, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 5, 6, 7, 8 ]' }
          while: '$item != 7 and $index < 3 and (. | length) < 9'
          do:
            - add: { set: '${ . + [ $item ] }' }
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 5, 6 ]
    """

  Scenario: E13 a while that is false at once passes the input on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e13-never, version: '1.0.0' }
    do:
      - loop: { for: { in: '[ 1 ]' }, while: 'false', do: [ { a: { set: { ran: true } } } ] }
    """
    And given the workflow input is:
    """yaml
    kept: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    kept: 1
    """

  Scenario: E14 null is an empty collection
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e14, version: '1.0.0' }
    do:
      - loop: { for: { in: .missing }, do: [ { a: { set: { ran: true } } } ] }
    """
    And given the workflow input is:
    """yaml
    kept: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    kept: 1
    """

  Scenario: E14 an object is no collection
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e14-object, version: '1.0.0' }
    do:
      - loop: { for: { in: . }, do: [ { a: { set: { ran: true } } } ] }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/loop
    """

  Scenario: E15 item and index are the names, unless others are given
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e15, version: '1.0.0' }
    do:
      - outer:
          for: { each: row, at: number, in: '[ [ 1 ], [ 2, 3 ] ]' }
          do:
            - inner:
                for: { in: $row }
                do:
                  - add: { set: '${ . + [ [ $number, $index, $item ] ] }' }
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ [ 0, 0, 1 ], [ 1, 0, 2 ], [ 1, 1, 3 ] ]
    """

  Scenario: E16 the context is carried through turns and stays
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e16, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 1, 2 ]' }
          do:
            - note: { set: { last: '${ $item }' }, export: { as: '{ seen: (($context.seen // []) + [ .last ]) }' } }
      - after: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: [ 1, 2 ]
    """

  Scenario: The collection may be given in place
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: for-inline, version: '1.0.0' }
    do:
      - loop:
          for: { in: [ { a: 1 }, { b: '${ .n }' } ] }
          do: [ { add: { set: { n: 1, all: '${ (.all // []) + [ $item ] }' } } } ]
          output: { as: .all }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { a: 1 }, { b: 1 } ]
    """

  Scenario: A thousand turns and more go through the budget of a step
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: for-many, version: '1.0.0' }
    do:
      - loop: { for: { in: '[ range(3000) ]' }, do: [ { add: { set: '${ . + $item }' } } ] }
    """
    And given the workflow input is:
    """yaml
    0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    4498500
    """

  Scenario: A wait in each turn
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: for-wait, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 1, 2, 3 ]' }
          do:
            - pause: { wait: { milliseconds: 20 } }
            - add: { set: '${ . + [ $index ] }' }
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 0, 1, 2 ]
    """
