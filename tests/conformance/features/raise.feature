Feature: Raise, and the error model
  Scenario: Inline, with expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: raise-inline, version: '1.0.0' }
    do:
      - fails:
          raise:
            error: { type: 'https://example.com/e', status: 422, title: '${ "No \(.what)" }', detail: plain }
    """
    And given the workflow input is:
    """yaml
    what: stock
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/e
    status: 422
    title: No stock
    detail: plain
    instance: /do/0/fails
    """

  Scenario: By name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: raise-name, version: '1.0.0' }
    use:
      errors:
        outOfStock: { type: 'https://example.com/stock', status: 409, title: Out of stock }
    do:
      - fails: { raise: { error: outOfStock } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/stock
    status: 409
    title: Out of stock
    instance: /do/0/fails
    """

  Scenario: E74 the runtime says where it was raised
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e74, version: '1.0.0' }
    do:
      - fails: { raise: { error: { type: 'https://example.com/e', status: 400, instance: /do/7/other } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /do/0/fails
    """

  Scenario: An unknown name is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: raise-unknown, version: '1.0.0' }
    do:
      - fails: { raise: { error: nothing } }
    """
    Then the definition should be refused at '/do/0/fails/raise/error'

  Scenario: The history tells each task that faulted
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: raise-history, version: '1.0.0' }
    do:
      - outer:
          do:
            - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
    """
    When the workflow is executed
    Then fails should fault with error:
    """yaml
    status: 400
    instance: /do/0/outer/do/0/fails
    """
    And outer should fault with error:
    """yaml
    instance: /do/0/outer/do/0/fails
    """
