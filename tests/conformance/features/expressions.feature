Feature: Expressions
  Where they are evaluated, and where they are text (language.md, E39–E51, E102).

  Scenario: E39 what can be nothing but an expression needs no braces
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e39, version: '1.0.0' }
    input: { from: .order }
    do:
      - a:
          if: '.n == 1'
          input: { from: '${ { n: .n } }' }
          switch: [ { yes: { when: '${ .n == 1 }', then: b } } ]
      - wrong: { set: { wrong: true } }
      - b: { set: { n: '${ .n }' }, output: { as: '{ m: .n }' } }
    output: { as: '${ .m }' }
    """
    And given the workflow input is:
    """yaml
    order: { n: 1, x: 2 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    1
    """

  Scenario: E40 bare jq where a literal is possible is text
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e40, version: '1.0.0' }
    do:
      - a: { set: { text: .n, variable: $context } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    text: .n
    variable: $context
    """

  Scenario: E41 text around braces is no expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e41, version: '1.0.0' }
    do:
      - a: { set: { text: 'Hello ${ .name }', inside: '${ "Hello \(.name)" }' } }
    """
    And given the workflow input is:
    """yaml
    name: you
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    text: 'Hello ${ .name }'
    inside: Hello you
    """

  Scenario: E42 an expression may have line breaks
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e42, version: '1.0.0' }
    do:
      - a:
          set: |
            ${
              { sum: (.a +   # added
                      .b) }
            }
    """
    And given the workflow input is:
    """yaml
    { a: 1, b: 2 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 3
    """

  Scenario: E43 braces may nest
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e43, version: '1.0.0' }
    do:
      - a: { set: '${ { a: { b: "}" } } }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: { b: '}' }
    """

  Scenario: E44 several results are an error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e44, version: '1.0.0' }
    do:
      - a: { set: { one: '${ 1, 2 }' } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/a
    """

  Scenario: E44 no result is null
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e44-none, version: '1.0.0' }
    do:
      - a: { set: { none: '${ empty }', skipped: '${ [ empty ] }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    none: null
    skipped: []
    """

  Scenario: E45 only false and null are false
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e45, version: '1.0.0' }
    do:
      - zero: { if: '0', set: '${ . + [ "zero" ] }' }
      - empty: { if: '""', set: '${ . + [ "empty" ] }' }
      - nothing: { if: 'null', set: '${ . + [ "nothing" ] }' }
      - no: { if: 'false', set: '${ . + [ "no" ] }' }
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ zero, empty ]
    """

  Scenario: E46 expression text in data is never evaluated
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e46, version: '1.0.0' }
    do:
      - a: { set: { x: '${ .x }' } }
      - b: { set: { again: '${ .x }' } }
    """
    And given the workflow input is:
    """yaml
    x: '${ .y }'
    y: evil
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    again: '${ .y }'
    """

  Scenario: E47 a secret may not go where it would be stored
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e47, version: '1.0.0' }
    use: { secrets: [ token ] }
    do:
      - a: { set: { leaked: '${ $secrets.token }' } }
    """
    Then the definition should be refused at '/do/0/a/set/leaked'

  Scenario: E47 nor into the context
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e47-export, version: '1.0.0' }
    use: { secrets: [ token ] }
    do:
      - a: { set: { a: 1 }, export: { as: '{ t: $secrets.token }' } }
    """
    Then the definition should be refused at '/do/0/a/export/as'

  Scenario: E47 nor into an event
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e47-emit, version: '1.0.0' }
    use: { secrets: [ token ] }
    do:
      - a: { emit: { event: { with: { source: 'https://example.com', type: t.v1, data: { t: '${ $secrets.token }' } } } } }
    """
    Then the definition should be refused at '/do/0/a/emit/event/with/data/t'

  Scenario: E47 a secret leaves in a call
    Given the secret 'token' is 'hush'
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e47-call, version: '1.0.0' }
    use: { secrets: [ token ] }
    do:
      - a:
          call: http
          with:
            method: get
            endpoint: http://service.test/echo
            headers: { X-Test: '${ "a" + $secrets.token | length | tostring }' }
          output: { as: '.headers["x-test"]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    '5'
    """

  Scenario: E50 the host does not leak
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e50, version: '1.0.0' }
    do:
      - a: { set: { home: '${ $ENV.HOME }' } }
    """
    Then the definition should be refused at '/do/0/a/set/home'

  Scenario: E50 nor through its other doors
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e50-input, version: '1.0.0' }
    do:
      - a: { set: { next: '${ input }' } }
    """
    Then the definition should be refused at '/do/0/a/set/next'

  Scenario: E50 the clock is the step's own
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e50-now, version: '1.0.0' }
    do:
      - a: { set: '${ now == (now | .) and (now - $workflow.startedAt.epoch.milliseconds / 1000) < 5 }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: E51 an endless expression is an expression error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e51, version: '1.0.0' }
    do:
      - a: { set: '${ [ range(infinite) ] | length }' }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/a
    """

  Scenario: E102 so is one that goes round without making anything
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e102, version: '1.0.0' }
    do:
      - a: { set: '${ last(repeat(1)) }' }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 400
    instance: /do/0/a
    """

  Scenario: A failing expression is an error of its task, and caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: expression-error, version: '1.0.0' }
    do:
      - guarded:
          try: [ { bad: { set: { n: '${ .text + 1 }' } } } ]
          catch:
            errors: { with: { type: 'https://open-workflow-specification.org/spec/1.0.0/errors/expression' } }
            do: [ { handled: { set: { instance: '${ $error.instance }' } } } ]
    """
    And given the workflow input is:
    """yaml
    text: a
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    instance: /do/0/guarded/try/0/bad
    """

  Scenario: An expression that cannot be read is refused, with its place
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: expression-syntax, version: '1.0.0' }
    do:
      - a: { set: { deep: [ { x: '${ .a | }' } ] } }
    """
    Then the definition should be refused at '/do/0/a/set/deep/0/x'
