Feature: Timeouts and waiting
  Time (language.md, E23, E69–E72, E94).

  Scenario: E23 a wait passes its transformed input on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e23, version: '1.0.0' }
    do:
      - pause: { input: { from: '{ n: .n }' }, wait: { milliseconds: 10 } }
    """
    And given the workflow input is:
    """yaml
    { n: 1, m: 2 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: A wait is an object, a text or an expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: wait-forms, version: '1.0.0' }
    do:
      - object: { wait: { seconds: 0, milliseconds: 5 } }
      - text: { wait: PT0.005S }
      - expression: { wait: '${ "PT0.00\(.n)S" }' }
      - zero: { wait: PT0S }
    """
    And given the workflow input is:
    """yaml
    n: 5
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 5
    """

  Scenario: An expression that gives no duration is an expression error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: wait-bad, version: '1.0.0' }
    do:
      - pause: { wait: '${ "soon" }' }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/pause
    """

  Scenario: A waiting workflow says so
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: wait-phase, version: '1.0.0' }
    do:
      - pause: { wait: PT0.25S }
      - done: { set: { done: true } }
    """
    When the workflow is started
    Then the workflow should wait
    When it has ended
    Then the workflow should complete with output:
    """yaml
    done: true
    """

  Scenario: E69 a timeout is an error of the task that took too long, caught around it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e69, version: '1.0.0' }
    do:
      - guarded:
          try:
            - slow: { wait: PT1H, timeout: { after: PT0.05S } }
          catch:
            errors: { with: { type: 'https://open-workflow-specification.org/spec/1.0.0/errors/timeout', status: 408 } }
            do: [ { handled: { set: { instance: '${ $error.instance }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    instance: /do/0/guarded/try/0/slow
    """

  Scenario: E69 a timeout on the try itself is not its own to catch
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e69-own, version: '1.0.0' }
    do:
      - guarded:
          try: [ { slow: { wait: PT1H } } ]
          catch: { do: [ { wrong: { set: { wrong: true } } } ] }
          timeout: { after: PT0.05S }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 408
    instance: /do/0/guarded
    """
    And slow should cancel

  Scenario: E70 the clock covers retries and their delays
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e70, version: '1.0.0' }
    do:
      - outer:
          timeout: { after: PT0.15S }
          do:
            - guarded:
                try: [ { fails: { raise: { error: { type: 'https://example.com/e', status: 503 } } } } ]
                catch: { retry: { delay: PT0.06S } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 408
    instance: /do/0/outer
    """
    And 'guarded' should have been retried 3 times

  Scenario: E71 a workflow's timeout cannot be caught inside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e71, version: '1.0.0' }
    timeout: { after: PT0.05S }
    do:
      - guarded:
          try: [ { slow: { wait: PT1H } } ]
          catch: { do: [ { wrong: { set: { wrong: true } } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    """
    And slow should cancel

  Scenario: E72 an answer after the timeout is thrown away
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e72, version: '1.0.0' }
    do:
      - guarded:
          try:
            - slow:
                call: http
                with: { method: get, endpoint: 'http://service.test/slow/100' }
                timeout: { after: PT0.03S }
          catch: { do: [ { handled: { set: { late: '${ $error.status }' } } } ] }
      - pause: { wait: PT0.2S }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    late: 408
    """

  Scenario: A timeout by name, and one that is an expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: timeout-forms, version: '1.0.0' }
    use: { timeouts: { short: { after: { milliseconds: 40 } } } }
    do:
      - a:
          try: [ { slow: { wait: PT1H, timeout: short } } ]
          catch: { do: [ { one: { set: { n: 40 } } } ] }
      - b:
          try: [ { slow: { wait: PT1H, timeout: { after: '${ "PT0.0\(.n)S" }' } } } ]
          catch: { do: [ { two: { set: '${ . + { two: true } }' } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 40
    two: true
    """

  Scenario: A timeout ends all that runs inside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: timeout-composite, version: '1.0.0' }
    do:
      - outer:
          timeout: { after: PT0.05S }
          fork:
            branches:
              - a: { wait: PT1H }
              - b: { do: [ { c: { wait: PT1H } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 408
    instance: /do/0/outer
    """
    And a should cancel
    And b should cancel
    And c should cancel

  Scenario: A task that is done in time is not disturbed by its timeout
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: timeout-none, version: '1.0.0' }
    do:
      - quick: { wait: PT0.01S, timeout: { after: PT0.05S } }
      - pause: { wait: PT0.1S }
    """
    When the workflow is executed
    Then the workflow should complete

  Scenario: E94 a wait runs on while the workflow is suspended
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e94, version: '1.0.0' }
    do:
      - pause: { wait: PT0.1S }
      - after: { set: { elapsed: '${ now - $workflow.startedAt.epoch.milliseconds / 1000 < 5 }' } }
    """
    When the workflow is started
    And the workflow is suspended
    And 150 ms pass
    Then the workflow should be suspended
    When the workflow is resumed
    Then the workflow should complete with output:
    """yaml
    elapsed: true
    """

  Scenario: E70 a timeout does not run while the workflow is suspended
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e70-suspended, version: '1.0.0' }
    do:
      - pause: { wait: PT0.4S, timeout: { after: PT0.3S } }
    """
    When the workflow is started
    And the workflow is suspended
    And 350 ms pass
    And the workflow is resumed
    Then the workflow should complete

  Scenario: A cancelled workflow is cancelled, with its tasks
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: cancelled, version: '1.0.0' }
    do:
      - outer: { do: [ { inner: { wait: PT1H } } ] }
    """
    When the workflow is started
    Then the workflow should wait
    When the workflow is cancelled
    Then the workflow should cancel
    And inner should cancel
    And outer should cancel
