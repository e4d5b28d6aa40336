Feature: Do
  Scenario: Tasks run in order, each on the output of the last
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: do-order, version: '1.0.0' }
    do:
      - a: { set: '${ . + [ "a" ] }' }
      - nested:
          do:
            - b: { set: '${ . + [ "b" ] }' }
            - c: { set: '${ . + [ "c" ] }' }
      - d: { set: '${ . + [ "d" ] }' }
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ a, b, c, d ]
    """
    And nested should complete with output:
    """yaml
    [ a, b, c ]
    """
    And a should run before b
    And d should run after c

  Scenario: A workflow without a list is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: do-none, version: '1.0.0' }
    """
    Then the definition should be refused at ''

  Scenario: A task that says two things is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: do-two, version: '1.0.0' }
    do:
      - a: { set: { a: 1 }, wait: PT1S }
    """
    Then the definition should be refused at '/do/0/a'

  Scenario: An item with two names is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: do-item, version: '1.0.0' }
    do:
      - a: { set: { a: 1 } }
        b: { set: { b: 1 } }
    """
    Then the definition should be refused at '/do/0'

  Scenario: A definition may be JSON
    Given a workflow with definition:
    """json
    { "document": { "dsl": "1.0.3", "namespace": "default", "name": "do-json", "version": "1.0.0" },
      "do": [ { "a": { "set": { "a": 1 } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: What an instance works on stays what it was when a definition of that name comes anew
    Given another workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: do-version, version: '1.0.0' }
    do: [ { a: { set: { version: 1 } } } ]
    """
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: do-version, version: '2.0.0' }
    do: [ { a: { set: { version: 2 } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    version: 2
    """
