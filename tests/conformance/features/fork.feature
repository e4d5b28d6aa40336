Feature: Fork
  Branches, joined or racing (language.md, E17–E22).

  Scenario: E17 each branch writes a context of its own; a join merges them in order of declaration
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e17, version: '1.0.0' }
    do:
      - before: { set: { base: 1 }, export: { as: . } }
      - both:
          fork:
            branches:
              - a:
                  do:
                    - pause: { wait: PT0.05S }
                    - write: { set: { a: 1, who: a }, export: { as: '$context + .' } }
                    - see: { set: '${ $context }' }
              - b:
                  do:
                    - write: { set: { b: 1, who: b }, export: { as: '$context + .' } }
                    - see: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    - { base: 1, a: 1, who: a }
    - { base: 1, b: 1, who: b }
    """
    And the workflow context should be:
    """yaml
    { base: 1, a: 1, b: 1, who: b }
    """

  Scenario: E17 in a race only the winner's context survives
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e17-race, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - slow:
                  do:
                    - write: { set: { slow: 1 }, export: { as: . } }
                    - pause: { wait: PT1H }
              - fast: { wait: PT0.05S, export: { as: '{ fast: 1 }' } }
    """
    When the workflow is executed
    Then the workflow context should be:
    """yaml
    { fast: 1 }
    """

  Scenario: E18 the output is an array in order of declaration
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e18, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - late: { do: [ { pause: { wait: PT0.05S } }, { give: { set: { n: '${ .n }', late: true } } } ] }
              - soon: { set: { n: '${ .n }', soon: true } }
              - skipped: { if: 'false', set: { never: true } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    - { n: 1, late: true }
    - { n: 1, soon: true }
    - { n: 1 }
    """

  Scenario: E19 a race gives the winner's output and cancels the others
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e19, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - slow: { do: [ { pause: { wait: PT1H } } ] }
              - fast: { do: [ { pause: { wait: PT0.03S } }, { give: { set: { fast: true } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    fast: true
    """
    And slow should cancel
    And fast should complete

  Scenario: E20 a fault does not win a race
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e20, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
              - wins: { wait: PT0.03S, output: { as: '"won"' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    won
    """
    And fails should fault

  Scenario: E20 a race in which all fault faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e20-all, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - first: { raise: { error: { type: 'https://example.com/a', status: 400 } } }
              - second: { raise: { error: { type: 'https://example.com/b', status: 401 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/b
    status: 401
    instance: /do/0/race/fork/branches/1/second
    """

  Scenario: E21 a skipped branch does not win
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e21, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - skipped: { if: 'false', set: { skipped: true } }
              - wins: { wait: PT0.03S, output: { as: '"won"' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    won
    """

  Scenario: E21 a race in which all are skipped passes the input on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e21-all, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - skipped: { if: 'false', set: { skipped: true } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: E22 a workflow waits only when all its branches wait
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e22, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - waits: { wait: PT1H }
              - works: { call: http, with: { method: get, endpoint: 'http://service.test/slow/300' } }
    """
    When the workflow is started
    Then the workflow should be running
    And the workflow should wait
    When the workflow is cancelled
    Then the workflow should cancel

  Scenario: A fault in a branch faults the fork and cancels the rest
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: fork-fault, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - waits: { wait: PT1H }
              - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 400
    instance: /do/0/both/fork/branches/1/fails
    """
    And waits should cancel
    And both should fault

  Scenario: Forks nest, and so do their contexts
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: fork-nested, version: '1.0.0' }
    do:
      - outer:
          fork:
            branches:
              - inner:
                  fork:
                    branches:
                      - a: { set: '${ 1 }', export: { as: '$context + { a: 1 }' } }
                      - b: { wait: PT0.02S, output: { as: '2' }, export: { as: '$context + { b: 1 }' } }
              - c: { set: '${ 3 }', export: { as: '$context + { c: 1 }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ [ 1, 2 ], 3 ]
    """
    And the workflow context should be:
    """yaml
    { a: 1, b: 1, c: 1 }
    """
