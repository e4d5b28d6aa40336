Feature: Emit
  Scenario: E23 the output is the event, with what the runtime adds
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: emit-event, version: '1.0.0' }
    do:
      - tell:
          emit:
            event:
              with:
                source: https://example.com/shop
                type: test.emit.placed.v1
                subject: '${ .id }'
                extra: '${ .n }'
                data: { items: [ '${ .id }' ] }
      - check:
          set:
            source: '${ .source }'
            type: '${ .type }'
            subject: '${ .subject }'
            extra: '${ .extra }'
            data: '${ .data }'
            specversion: '${ .specversion }'
            made: '${ (.id | length > 0) and (.time | test("Z$")) }'
    """
    And given the workflow input is:
    """yaml
    { id: a1, n: '5' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    source: https://example.com/shop
    type: test.emit.placed.v1
    subject: a1
    extra: '5'
    data: { items: [ a1 ] }
    specversion: '1.0'
    made: true
    """

  Scenario: Two turns make two events
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: emit-ids, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 1, 2 ]' }
          do:
            - tell:
                emit: { event: { with: { source: 'https://example.com', type: test.emit.ids.v1 } } }
                export: { as: '($context // []) + [ .id ]' }
      - count: { set: '${ $context | unique | length }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    2
    """

  Scenario: What one workflow emits another hears
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: emit-heard, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hears:
                  listen:
                    to:
                      one:
                        with: { type: test.emit.heard.v1 }
                        correlate: { me: { from: .subject, expect: '${ $workflow.id }' } }
              - tells:
                  do:
                    - pause: { wait: PT0.05S }
                    - tell: { emit: { event: { with: { source: 'https://example.com', type: test.emit.heard.v1, subject: '${ $workflow.id }', data: { n: 1 } } } } }
      - first: { set: '${ .[0] }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 } ]
    """

  Scenario: A type that is no text is an expression error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: emit-type, version: '1.0.0' }
    do:
      - tell: { emit: { event: { with: { source: 'https://example.com', type: '${ 5 }' } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 400
    instance: /do/0/tell
    """
