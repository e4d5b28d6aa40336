Feature: Flow directives
  Where the workflow goes on (language.md, E26–E38).

  Scenario: E26 exit completes the list the task stands in; the parent's then counts
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e26, version: '1.0.0' }
    do:
      - outer:
          do:
            - a: { set: { a: 1 }, then: exit }
            - b: { set: { b: 1 } }
          then: last
      - between: { set: { between: 1 } }
      - last: { set: { from: '${ . }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    from: { a: 1 }
    """
    And b should not have run
    And between should not have run

  Scenario: E26 exit at the top ends the workflow
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e26-top, version: '1.0.0' }
    do:
      - a: { set: { a: 1 }, then: exit }
      - b: { set: { b: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: E27 exit in a loop's body ends this turn only
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e27, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 1, 2, 3 ]' }
          do:
            - count: { set: '${ . + [ $item ] }', then: exit }
            - never: { set: '${ [] }' }
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 1, 2, 3 ]
    """

  Scenario: E28 exit on a branch ends that branch
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e28, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - a: { set: { a: 1 }, then: exit }
              - b: { set: { b: 1 } }
      - after: { set: '${ { joined: . } }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    joined: [ { a: 1 }, { b: 1 } ]
    """

  Scenario: E29 end leaves a loop in a do in a try
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e29, version: '1.0.0' }
    do:
      - guarded:
          try:
            - nested:
                do:
                  - loop:
                      for: { in: '[ 1, 2, 3 ]' }
                      do:
                        - a: { if: '$item == 2', set: { stopped: '${ $item }' }, then: end }
          catch: { do: [ { handled: { set: { handled: true } } } ] }
      - after: { set: { after: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    stopped: 2
    """
    And after should not have run
    And loop should complete

  Scenario: E29 end in a handler ends the workflow gracefully
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e29-handler, version: '1.0.0' }
    do:
      - guarded:
          try:
            - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
          catch:
            do:
              - handled: { set: { handled: '${ $error.status }' }, then: end }
      - after: { set: { after: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    handled: 400
    """
    And after should not have run

  Scenario: E29 end in a branch cancels the branches beside it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e29-branch, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - slow: { wait: PT1H }
              - fast: { set: { fast: true }, then: end }
      - after: { set: { after: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    fast: true
    """
    And slow should cancel
    And after should not have run

  Scenario: E31 then may not name a task of another list
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e31, version: '1.0.0' }
    do:
      - outer:
          do:
            - inner: { set: { a: 1 }, then: target }
      - target: { set: { b: 1 } }
    """
    Then the definition should be refused at '/do/0/outer/do/0/inner/then'

  Scenario: E31 then may not name a branch beside its own
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e31-branch, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - a: { set: { a: 1 }, then: b }
              - b: { set: { b: 1 } }
    """
    Then the definition should be refused at '/do/0/both/fork/branches/0/a/then'

  Scenario: E32 continue on the last task completes the scope
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e32, version: '1.0.0' }
    do:
      - outer:
          do:
            - a: { set: { a: 1 }, then: continue }
      - b: { set: '${ . + { b: 2 } }', then: continue }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    b: 2
    """

  Scenario: E36 two tasks of one name in a list are refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e36, version: '1.0.0' }
    do:
      - a: { set: { a: 1 } }
      - a: { set: { a: 2 } }
    """
    Then the definition should be refused at '/do/1/a'

  Scenario: E36 the same name in another list is fine
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e36-scopes, version: '1.0.0' }
    do:
      - a: { do: [ { a: { set: { a: 1 }, then: exit } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: E37 a task may not be called as a directive
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e37, version: '1.0.0' }
    do:
      - end: { set: { a: 1 } }
    """
    Then the definition should be refused at '/do/0/end'

  Scenario: E38 jumping back makes a loop
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e38, version: '1.0.0' }
    do:
      - count: { set: { n: '${ .n + 1 }' } }
      - again:
          switch:
            - more: { when: '.n < 2500', then: count }
    """
    And given the workflow input is:
    """yaml
    n: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 2500
    """

  Scenario: A jump forward leaves tasks out
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: forward, version: '1.0.0' }
    do:
      - a: { set: { a: 1 }, then: c }
      - b: { set: { b: 1 } }
      - c: { set: '${ . + { c: 1 } }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    c: 1
    """
    And a should run first
    And c should run last
    And a should run before c
    And b should not have run

  Scenario: An unknown target is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: target, version: '1.0.0' }
    do:
      - a: { set: { a: 1 }, then: nowhere }
    """
    Then the definition should be refused at '/do/0/a/then'

  Scenario: The facts of a list stand in order
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: facts, version: '1.0.0' }
    do:
      - a: { do: [ { b: { set: { x: 1 } } } ] }
      - c: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
    """
    When the workflow is executed
    Then the history should be:
    """yaml
    - workflow.started
    - task.created a
    - task.started a
    - task.created b
    - task.started b
    - task.completed b
    - task.completed a
    - task.created c
    - task.started c
    - task.faulted c
    - workflow.faulted
    """
