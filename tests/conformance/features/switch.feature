Feature: Switch
  Cases in order (language.md, E33–E35).

  Scenario: E33 without a match the switch's own then counts
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e33, version: '1.0.0' }
    do:
      - choose:
          switch:
            - no: { when: 'false', then: wrong }
          then: right
      - wrong: { set: { wrong: true } }
      - right: { set: { right: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    right: true
    """
    And wrong should not have run

  Scenario: E33 without a match and without a then it goes on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e33-continue, version: '1.0.0' }
    do:
      - choose: { switch: [ { no: { when: 'null', then: end } } ] }
      - next: { set: { next: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    next: true
    """

  Scenario: E34 the case without a condition is the default, wherever it stands and whatever its name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e34, version: '1.0.0' }
    do:
      - choose:
          switch:
            - otherwise: { then: wrong }
            - default: { when: '.n == 1', then: right }
      - wrong: { set: { wrong: true }, then: end }
      - right: { set: { right: true } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    right: true
    """

  Scenario: E34 two defaults are refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e34-two, version: '1.0.0' }
    do:
      - choose: { switch: [ { a: { then: end } }, { b: { then: exit } } ] }
    """
    Then the definition should be refused at '/do/0/choose/switch/1/b'

  Scenario: E35 the case's then wins over the task's
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e35, version: '1.0.0' }
    do:
      - choose:
          switch:
            - yes: { when: 'true', then: right }
          then: wrong
      - wrong: { set: { wrong: true }, then: end }
      - right: { set: { right: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    right: true
    """

  Scenario: The first case that holds wins, and the output is the input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: first-case, version: '1.0.0' }
    do:
      - choose:
          switch:
            - small: { when: '.n < 5', then: end }
            - smaller: { when: '.n < 9', then: wrong }
      - wrong: { set: { wrong: true } }
    """
    And given the workflow input is:
    """yaml
    n: 3
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 3
    """

  Scenario: A case may exit its scope
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case-exit, version: '1.0.0' }
    do:
      - scope:
          do:
            - choose: { switch: [ { out: { when: 'true', then: exit } } ] }
            - never: { set: { never: true } }
      - after: { set: '${ . + { after: true } }' }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    after: true
    """

  Scenario: A condition that cannot be evaluated is an expression error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case-error, version: '1.0.0' }
    do:
      - choose: { switch: [ { bad: { when: '.a.b.c', then: end } } ] }
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
    instance: /do/0/choose
    """
