Feature: Set
  Scenario: Nested values are evaluated, literals stay
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: set-deep, version: '1.0.0' }
    do:
      - a:
          set:
            number: 1
            text: plain
            nothing: null
            list: [ '${ .n }', { deep: '${ .n + 1 }' } ]
            bare: .n
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    number: 1
    text: plain
    nothing: null
    list: [ 1, { deep: 2 } ]
    bare: .n
    """

  Scenario: One expression may give any type
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: set-expression, version: '1.0.0' }
    do:
      - a: { set: '${ [ .n, .n * 2 ] }' }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 1, 2 ]
    """

  Scenario: An unknown variable is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: set-unknown, version: '1.0.0' }
    do:
      - a: { set: { x: [ '${ $nothing }' ] } }
    """
    Then the definition should be refused at '/do/0/a/set/x/0'
