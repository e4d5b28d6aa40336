Feature: Data flow
  What goes into a task, what comes out, and what stays in the context (language.md, E1–E12).

  Scenario: E1 input is validated raw, then transformed; output is transformed, then validated, then exported
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e1-order, version: '1.0.0' }
    do:
      - cook:
          input:
            schema: { document: { type: object, required: [ raw ] } }
            from: '{ cooked: .raw }'
          set: { got: '${ .cooked }' }
          output:
            as: '{ out: .got }'
            schema: { document: { type: object, required: [ out ] } }
          export:
            as: '{ seen: .out }'
            schema: { document: { type: object, required: [ seen ] } }
    """
    And given the workflow input is:
    """yaml
    raw: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    out: 1
    """
    And the workflow context should be:
    """yaml
    seen: 1
    """

  Scenario: E1 the condition is tested before the input's schema
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e1-condition, version: '1.0.0' }
    do:
      - never:
          if: '.wanted'
          input: { schema: { document: { required: [ missing ] } } }
          set: { ran: true }
    """
    And given the workflow input is:
    """yaml
    wanted: false
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    wanted: false
    """

  Scenario: E1 an input that breaks its schema is a validation error of the task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e1-input-schema, version: '1.0.0' }
    do:
      - checked:
          input:
            schema: { document: { type: object, properties: { n: { type: integer } } } }
            from: '{ n: 1 }'
          set: { ran: true }
    """
    And given the workflow input is:
    """yaml
    n: one
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/checked
    """

  Scenario: E1 the output's schema is held against the transformed output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e1-output-schema, version: '1.0.0' }
    do:
      - checked:
          set: { n: 1 }
          output:
            as: '{ n: "one" }'
            schema: { document: { properties: { n: { type: integer } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/checked
    """

  Scenario: E1 the export's schema is held against the new context
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e1-export-schema, version: '1.0.0' }
    do:
      - good:
          set: { n: 1 }
          export: { as: '{ n: .n }', schema: { document: { required: [ n ] } } }
      - bad:
          set: { n: 1 }
          export: { as: '{ m: .n }', schema: { document: { required: [ n ] } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 400
    instance: /do/1/bad
    """
    And the workflow context should be:
    """yaml
    n: 1
    """

  Scenario: E2 a skipped task passes its raw input on, transforms nothing and does not take its then
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e2, version: '1.0.0' }
    do:
      - skipped:
          if: '.go'
          input: { from: '{ changed: 1 }' }
          set: { changed: 2 }
          output: { as: '{ changed: 3 }' }
          export: { as: '{ changed: 4 }' }
          then: end
      - next:
          set: { was: '${ . }', context: '${ $context }' }
    """
    And given the workflow input is:
    """yaml
    go: false
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    was: { go: false }
    context: null
    """
    And skipped should not have run

  Scenario: E3 an export sees the transformed output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e3, version: '1.0.0' }
    do:
      - a:
          set: { raw: 1 }
          output: { as: '{ transformed: .raw }' }
          export: { as: '{ dot: ., output: $output }' }
    """
    When the workflow is executed
    Then the workflow context should be:
    """yaml
    dot: { transformed: 1 }
    output: { transformed: 1 }
    """

  Scenario: E4 an export replaces the context; adding to it merges
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e4, version: '1.0.0' }
    do:
      - a: { set: { a: 1 }, export: { as: . } }
      - b: { set: { b: 2 }, export: { as: '$context + .' } }
      - c: { set: '${ $context }', output: { as: '{ merged: . }' } }
      - d: { set: '${ . }', export: { as: '{ only: 3 }' } }
      - e: { set: '${ .replaced = $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    merged: { a: 1, b: 2 }
    replaced: { only: 3 }
    """

  Scenario: E5 a set is the whole output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e5, version: '1.0.0' }
    do:
      - a: { set: { b: 2 } }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    b: 2
    """

  Scenario: E6 the context is null before the first export
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e6, version: '1.0.0' }
    do:
      - a: { set: { context: '${ $context }', path: '${ $context.a.b }', sum: '${ $context + { a: 1 } }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    context: null
    path: null
    sum: { a: 1 }
    """

  Scenario: E7 $input is the task's own transformed input; $workflow.input is raw
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e7, version: '1.0.0' }
    input: { from: '{ from: .raw }' }
    do:
      - outer:
          input: { from: '{ outer: .from }' }
          do:
            - inner:
                input: { from: '{ inner: .outer }' }
                set: { input: '${ $input }', raw: '${ $workflow.input }', task: '${ $task.input }' }
    """
    And given the workflow input is:
    """yaml
    raw: 7
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    input: { inner: 7 }
    raw: { raw: 7 }
    task: { outer: 7 }
    """

  Scenario: E8 $task.output in an output's transformation is the raw output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e8, version: '1.0.0' }
    do:
      - a: { set: { n: 1 }, output: { as: '{ dot: .n, output: $task.output.n }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    dot: 1
    output: 1
    """

  Scenario: E9 the workflow's output is what ended it, and then its own transformation
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e9, version: '1.0.0' }
    do:
      - a: { set: { n: 1 }, output: { as: '{ n: (.n + 1) }' }, then: end }
      - b: { set: { n: 9 } }
    output:
      as: '{ total: .n }'
      schema: { document: { required: [ total ] } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    total: 2
    """

  Scenario: A workflow's output that breaks its schema faults it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: output-schema, version: '1.0.0' }
    do:
      - a: { set: { n: 1 } }
    output:
      schema: { document: { required: [ m ] } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: E10 a composite's first child has its transformed input; its output is its last child's
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e10, version: '1.0.0' }
    do:
      - outer:
          input: { from: '{ n: (.n + 1) }' }
          do:
            - first: { set: { n: '${ .n * 10 }' } }
            - last: { set: { n: '${ .n + 1 }' }, output: { as: '{ m: .n }' } }
          output: { as: '{ k: .m }' }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    k: 21
    """

  Scenario: E11 what has nothing to do passes its input on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e11, version: '1.0.0' }
    do:
      - emptyDo: { do: [] }
      - emptyFor: { for: { in: '[]' }, do: [ { a: { set: { lost: true } } } ] }
      - emptyBody: { for: { in: '[ 1, 2 ]' }, do: [] }
      - emptyTry: { try: [], catch: {} }
    """
    And given the workflow input is:
    """yaml
    kept: true
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    kept: true
    """

  Scenario: Any value can flow
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: scalars, version: '1.0.0' }
    do:
      - number: { set: '${ 1.50 }' }
      - text: { set: '${ tostring }' }
      - list: { set: '${ [ ., null ] }' }
      - nothing: { set: '${ .[1] }' }
      - back: { set: '${ [ . ] }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ null ]
    """

  Scenario: Digits that no expression touched are kept
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: digits, version: '1.0.0' }
    do:
      - a: { set: { all: '${ . }', one: '${ .big }' } }
    """
    And given the workflow input is:
    """yaml
    big: 9007199254740993
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    all: { big: 9007199254740993 }
    one: 9007199254740993
    """

  Scenario: An input or output may be built as an object
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: objects, version: '1.0.0' }
    do:
      - a:
          input: { from: { deep: [ '${ .n }', literal ] } }
          set: '${ . }'
          output: { as: { was: '${ .deep }' } }
          export: { as: { kept: '${ .was[0] }' } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    was: [ 1, literal ]
    """
    And the workflow context should be:
    """yaml
    kept: 1
    """

  Scenario: E103 an input that breaks the workflow's schema is refused before anything exists
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e103, version: '1.0.0' }
    input: { schema: { document: { type: object, required: [ id ], properties: { id: { type: integer } } } } }
    do:
      - a: { set: '${ . }' }
    """
    And given the workflow input is:
    """yaml
    id: x
    """
    Then the input should be refused at '/input/id'

  Scenario: Task metadata and reference are seen by expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: descriptors, version: '1.0.0' }
    do:
      - a:
          metadata: { owner: us }
          set:
            name: '${ $task.name }'
            reference: '${ $task.reference }'
            owner: '${ $task.definition.metadata.owner }'
            workflow: '${ $workflow.definition.document.name }'
            runtime: '${ $runtime.name }'
            times: '${ [ $task.startedAt, $workflow.startedAt ] | map(.epoch.milliseconds / 1000 | floor) == map(.epoch.seconds) }'
            iso: '${ $task.startedAt.iso8601 | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T.*Z$") }'
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    name: a
    reference: /do/0/a
    owner: us
    workflow: descriptors
    runtime: penstock
    times: true
    iso: true
    """
