Feature: Functions
  Tasks of use.functions (language.md, E25, E30).

  Scenario: E25 the body sees what the caller gives it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e25, version: '1.0.0' }
    use:
      functions:
        double:
          input: { schema: { document: { required: [ n ] } }, from: '{ m: .n }' }
          set: { doubled: '${ .m * 2 }', input: '${ $input }' }
          output: { as: '{ doubled: .doubled, input: .input }' }
    do:
      - a:
          call: double
          with: { n: '${ .x }' }
          output: { as: '{ result: . }' }
    """
    And given the workflow input is:
    """yaml
    x: 21
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    result: { doubled: 42, input: { m: 21 } }
    """

  Scenario: E25 a function's own schema holds, and the error names its place in use.functions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e25-schema, version: '1.0.0' }
    use:
      functions:
        double:
          input: { schema: { document: { required: [ n ] } } }
          set: { doubled: '${ .n * 2 }' }
    do:
      - a: { call: double, with: { m: 1 } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /use/functions/double
    """

  Scenario: E53 pointers of what is inside a function
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e53-function, version: '1.0.0' }
    use:
      functions:
        fails:
          do:
            - inner: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
    do:
      - a: { call: fails }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /use/functions/fails/do/0/inner
    """

  Scenario: E30 end in a function ends the function
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e30, version: '1.0.0' }
    use:
      functions:
        early:
          do:
            - deep: { do: [ { stop: { set: { stopped: true }, then: end } } ] }
            - never: { set: { never: true } }
    do:
      - a: { call: early }
      - b: { set: '${ . + { after: true } }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    stopped: true
    after: true
    """
    And never should not have run

  Scenario: The call's own then may end the workflow
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-end, version: '1.0.0' }
    use: { functions: { give: { set: { given: true } } } }
    do:
      - a: { call: give, output: { as: '{ n: ((.n // 0) + 1) }' }, then: end }
      - b: { set: { b: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """
    And b should not have run

  Scenario: The call's own then may end the workflow from inside a scope
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-end-deep, version: '1.0.0' }
    use: { functions: { give: { set: { given: true } }, outer: { do: [ { call: { call: give, then: end } }, { never: { set: { never: true } } } ] } } }
    do:
      - a: { do: [ { call: { call: outer } }, { b: { set: '${ . + { b: true } }' } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    given: true
    b: true
    """
    And never should not have run

  Scenario: A function may be called twice, and call another
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-nested, version: '1.0.0' }
    use:
      functions:
        inc: { set: { n: '${ .n + 1 }' } }
        twice: { do: [ { one: { call: inc, with: { n: '${ .n }' } } }, { two: { call: inc, with: { n: '${ .n }' } } } ] }
    do:
      - a: { call: twice, with: { n: 1 } }
      - b: { call: inc, with: { n: '${ .n }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 4
    """

  Scenario: A function sees none of its caller's loop variables
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-scope, version: '1.0.0' }
    use: { functions: { peek: { set: { item: '${ $item }' } } } }
    do:
      - loop: { for: { in: '[ 1 ]' }, do: [ { a: { call: peek } } ] }
    """
    Then the definition should be refused at '/use/functions/peek/set/item'

  Scenario: A function that calls itself is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-cycle, version: '1.0.0' }
    use: { functions: { a: { do: [ { b: { call: b } } ] }, b: { do: [ { a: { call: a } } ] } } }
    do:
      - start: { call: a }
    """
    Then the definition should be refused at '/use/functions/b/do/0/a/call'

  Scenario: A function that is not there is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-unknown, version: '1.0.0' }
    use: { functions: { greet: { set: { a: 1 } } } }
    do:
      - start: { call: great }
    """
    Then the definition should be refused at '/do/0/start/call'

  Scenario: A fault in a function is caught around the call
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: function-fault, version: '1.0.0' }
    use: { functions: { get: { call: http, with: { method: get, endpoint: 'http://service.test/status/{code}' } } } }
    do:
      - guarded:
          try: [ { a: { call: get, with: { code: 404 } } } ]
          catch: { do: [ { handled: { set: { status: '${ $error.status }', instance: '${ $error.instance }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 404
    instance: /use/functions/get
    """
