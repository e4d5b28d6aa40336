Feature: Run a workflow
  Scenario: The child's output is the task's
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-child, version: '1.0.0' }
    do:
      - a: { set: { doubled: '${ .n * 2 }' } }
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-parent, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: run-child, version: '1.0.0', input: { n: '${ .x }' } } } }
    """
    And given the workflow input is:
    """yaml
    x: 4
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    doubled: 8
    """

  Scenario: Without a version, or with latest, the newest runs
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-versions, version: '1.9.0' }
    do: [ { a: { set: { version: '1.9.0' } } } ]
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-versions, version: '1.10.0' }
    do: [ { a: { set: { version: '1.10.0' } } } ]
    """
    And another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-versions, version: '1.10.0-rc.1' }
    do: [ { a: { set: { version: '1.10.0-rc.1' } } } ]
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-latest, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: run-versions, version: latest } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    version: 1.10.0
    """

  Scenario: The child's fault is the task's error, at the task's place
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-failing, version: '1.0.0' }
    do:
      - fails: { raise: { error: { type: 'https://example.com/e', status: 409, title: Conflict } } }
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-fault, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: run-failing, version: '1.0.0' } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/e
    status: 409
    title: Conflict
    instance: /do/0/child
    """

  Scenario: E30 end in a child ends the child only
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-ending, version: '1.0.0' }
    do:
      - a: { set: { a: 1 }, then: end }
      - b: { set: { b: 1 } }
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-end, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: run-ending, version: '1.0.0' } } }
      - after: { set: '${ . + { after: true } }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    after: true
    """

  Scenario: E24 without await the output is the transformed input, at once
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-slow, version: '1.0.0' }
    do:
      - pause: { wait: PT1H }
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e24, version: '1.0.0' }
    do:
      - child:
          input: { from: '{ n: .n }' }
          run: { await: false, workflow: { namespace: default, name: run-slow, version: '1.0.0' } }
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

  Scenario: E103 an input that breaks the child's schema faults the child
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-schema, version: '1.0.0' }
    input: { schema: { document: { type: object, required: [ id ] } } }
    do: [ { a: { set: { a: 1 } } } ]
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e103-child, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: run-schema, version: '1.0.0', input: {} } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/child
    """

  Scenario: A child that is not there is a configuration error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-missing, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: no-such-workflow, version: '1.0.0' } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/configuration
    instance: /do/0/child
    """

  Scenario: A timeout of the task cancels the child
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-hanging, version: '1.0.0' }
    do:
      - hang: { wait: PT1H }
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-timeout, version: '1.0.0' }
    do:
      - child:
          run: { workflow: { namespace: default, name: run-hanging, version: '1.0.0' } }
          timeout: { after: PT0.1S }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 408
    instance: /do/0/child
    """
    And the instances of 'run-hanging' should be cancelled

  Scenario: Cancelling the parent cancels the child
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-hanging-too, version: '1.0.0' }
    do:
      - hang: { wait: PT1H }
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: run-cancel, version: '1.0.0' }
    do:
      - child: { run: { workflow: { namespace: default, name: run-hanging-too, version: '1.0.0' } } }
    """
    When the workflow is started
    Then the instances of 'run-hanging-too' should be waiting
    When the workflow is cancelled
    Then the workflow should cancel
    And the instances of 'run-hanging-too' should be cancelled
