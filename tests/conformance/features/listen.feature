Feature: Listen
  Events (language.md, E77–E88, E96, E99, E100). Each scenario correlates by the instance's id, so that none hears another's.

  Scenario: One event, read as data; the output is an array
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-one, version: '1.0.0' }
    do:
      - hear:
          listen:
            to: { one: { with: { type: test.one.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: other-{id}, source: /test, type: test.one.v1, subject: somebody else, data: { n: 0 } }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: one-{id}, source: /test, type: test.one.v1, subject: '{id}', data: { n: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 } ]
    """

  Scenario: An event without correlation reaches who listens
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-plain, version: '1.0.0' }
    do:
      - hear: { listen: { to: { one: { with: { type: test.plain.v1 } } } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: plain-{id}, source: /test, type: test.plain.v1, data: hello }
    """
    Then the workflow should complete with output:
    """yaml
    [ hello ]
    """

  Scenario: Read as envelope, and raw
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-read, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - envelope:
                  listen:
                    to: { one: { with: { type: test.read.v1, subject: '${ . == $workflow.id }' } } }
                    read: envelope
                  output: { as: '.[0] | { type, source, data }' }
              - raw:
                  listen:
                    to: { one: { with: { type: test.read.v1, subject: '${ . == $workflow.id }' } } }
                    read: raw
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: read-{id}, source: /test, type: test.read.v1, subject: '{id}', datacontenttype: application/json, data: { n: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    - { type: test.read.v1, source: /test, data: { n: 1 } }
    - [ '{"n":1}' ]
    """

  Scenario: E77 any without filters hears every event, and the first ends it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e77, version: '1.0.0' }
    do:
      - hear: { listen: { to: { any: [] } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: e77-{id}, source: /test, type: test.whatever.v1, data: { n: 77 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { n: 77 } ]
    """

  Scenario: Any of several filters
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-any, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any:
                - { with: { type: test.any.a.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } }
                - { with: { type: test.any.b.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: any-{id}, source: /test, type: test.any.b.v1, subject: '{id}', data: b }
    """
    Then the workflow should complete with output:
    """yaml
    [ b ]
    """

  Scenario: E78 until is tested after each event, on what was read so far
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e78, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e78.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } ]
              until: '( . | length ) >= 3'
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e78.v1, subject: '{id}', data: 1 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e78.v1, subject: '{id}', data: 2 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: c-{id}, source: /test, type: test.e78.v1, subject: '{id}', data: 3 }
    """
    Then the workflow should complete with output:
    """yaml
    [ 1, 2, 3 ]
    """

  Scenario: E79 the events of an until strategy are not in the output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e79, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e79.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } ]
              until: { one: { with: { type: test.e79.stop.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e79.v1, subject: '{id}', data: 1 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e79.stop.v1, subject: '{id}', data: stop }
    """
    Then the workflow should complete with output:
    """yaml
    [ 1 ]
    """

  Scenario: E79 an event that fits both ends the listening
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e79-both, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e79b.v1, subject: '${ . == $workflow.id }' } } ]
              until: { one: { with: { type: test.e79b.v1, subject: '${ . == $workflow.id }', data: '${ .last }' } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e79b.v1, subject: '{id}', data: { n: 1 } }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e79b.v1, subject: '{id}', data: { last: true } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 } ]
    """

  Scenario: E80 until has no place beside one or all
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e80, version: '1.0.0' }
    do:
      - hear: { listen: { to: { one: { with: { type: test.e80.v1 } }, until: 'true' } } }
    """
    Then the definition should be refused at '/do/0/hear/listen/to'

  Scenario: E81 all takes one event for each filter
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e81, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              all:
                - { with: { type: test.e81.a.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } }
                - { with: { type: test.e81.b.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e81.a.v1, subject: '{id}', data: a1 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e81.a.v1, subject: '{id}', data: a2 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: c-{id}, source: /test, type: test.e81.b.v1, subject: '{id}', data: b1 }
    """
    Then the workflow should complete with output:
    """yaml
    [ a1, b1 ]
    """

  Scenario: E82 without expect the first value binds, for all filters of this activation
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e82, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              all:
                - { with: { type: test.e82.a.v1, subject: '${ . == $workflow.id }' }, correlate: { order: { from: .data.order } } }
                - { with: { type: test.e82.b.v1, subject: '${ . == $workflow.id }' }, correlate: { order: { from: .data.order } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e82.a.v1, subject: '{id}', data: { order: 1 } }
    """
    And 60 ms pass
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e82.b.v1, subject: '{id}', data: { order: 2 } }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: c-{id}, source: /test, type: test.e82.b.v1, subject: '{id}', data: { order: 1 } }
    """
    Then the workflow should complete with output:
    """yaml
    [ { order: 1 }, { order: 1 } ]
    """

  Scenario: E83 an event that comes before its listener is kept
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e83, version: '1.0.0' }
    do:
      - pause: { wait: PT0.15S }
      - hear:
          listen:
            to: { one: { with: { type: test.e83.v1 }, correlate: { me: { from: .data.for, expect: '${ $workflow.id }' } } } }
    """
    When the workflow is started
    And the event is published:
    """yaml
    { specversion: '1.0', id: early-{id}, source: /test, type: test.e83.v1, data: { for: '{id}', n: 1 } }
    """
    Then the workflow should complete
    And the workflow output should have properties '0'

  Scenario: E84 one event reaches all that wait for it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e84, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - a: { listen: { to: { one: { with: { type: test.e84.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } } } }
              - b: { listen: { to: { one: { with: { type: test.e84.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: e84-{id}, source: /test, type: test.e84.v1, subject: '{id}', data: 1 }
    """
    Then the workflow should complete with output:
    """yaml
    [ [ 1 ], [ 1 ] ]
    """

  Scenario: E85 the same event again counts once
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e85, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e85.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } ]
              until: '( . | length ) >= 2'
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e85.v1, subject: '{id}', data: 1 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e85.v1, subject: '{id}', data: 1 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /other, type: test.e85.v1, subject: '{id}', data: 2 }
    """
    Then the workflow should complete with output:
    """yaml
    [ 1, 2 ]
    """

  Scenario: E86 a turn that faults faults the listening
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e86, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e86.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } ]
              until: 'false'
          foreach:
            do:
              - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e86.v1, subject: '{id}', data: 1 }
    """
    Then the workflow should fault with error:
    """yaml
    status: 400
    instance: /do/0/hear/foreach/do/0/fails
    """

  Scenario: E87 with foreach, until is tested after the turn, on transformed items
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e87, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e87.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } ]
              until: 'any(.[]; . == 20)'
          foreach:
            item: event
            at: number
            do:
              - pause: { wait: PT0.01S }
              - times: { set: { n: '${ $event * 10 }', at: '${ $number }' } }
            output: { as: .n }
            export: { as: '($context // []) + [ [ ., $number ] ]' }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e87.v1, subject: '{id}', data: 1 }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e87.v1, subject: '{id}', data: 2 }
    """
    Then the workflow should complete with output:
    """yaml
    [ 10, 20 ]
    """
    And the workflow context should be:
    """yaml
    [ [ 10, 0 ], [ 20, 1 ] ]
    """

  Scenario: E87 an until that holds from the start still takes the first event
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e87-first, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              any: [ { with: { type: test.e87f.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } ]
              until: 'true'
          foreach: { do: [ { keep: { set: '${ . }' } } ] }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e87f.v1, subject: '{id}', data: 1 }
    """
    Then the workflow should complete with output:
    """yaml
    [ 1 ]
    """

  Scenario: E88 raw binary data is base64
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e88, version: '1.0.0' }
    do:
      - hear:
          listen:
            to: { one: { with: { type: test.e88.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } }
            read: raw
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e88.v1, subject: '{id}', datacontenttype: application/octet-stream, data_base64: AAEC }
    """
    Then the workflow should complete with output:
    """yaml
    [ AAEC ]
    """

  Scenario: E96 correlations read the event, a filter on data the data
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e96, version: '1.0.0' }
    do:
      - hear:
          listen:
            to:
              one:
                with: { type: test.e96.v1, data: '${ .amount > 10 }' }
                correlate: { me: { from: '${ .data.for }', expect: '${ $workflow.id }' } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: test.e96.v1, data: { amount: 5, for: '{id}' } }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e96.v1, data: { amount: 50, for: '{id}' } }
    """
    Then the workflow output should have a '0.amount' property with value:
    """yaml
    50
    """

  Scenario: A filter may be a pattern
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-pattern, version: '1.0.0' }
    do:
      - hear:
          listen:
            to: { one: { with: { type: 'test\.pattern\.[ab]\.v1', source: /test/.* }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test/x, type: test.pattern.c.v1, subject: '{id}', data: c }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test/x, type: test.pattern.b.v1, subject: '{id}', data: b }
    """
    Then the workflow should complete with output:
    """yaml
    [ b ]
    """

  Scenario: E100 a listener for everything does not hear the engine's lifecycle
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e100, version: '1.0.0' }
    do:
      - hear: { listen: { to: { any: [] }, read: envelope }, output: { as: '.[0].type' } }
    """
    When the workflow is started
    Then the workflow should wait
    When the event is published:
    """yaml
    { specversion: '1.0', id: a-{id}, source: /test, type: io.serverlessworkflow.task.started.v1, data: {} }
    """
    And the event is published:
    """yaml
    { specversion: '1.0', id: b-{id}, source: /test, type: test.e100.v1, data: {} }
    """
    Then the workflow should complete with output:
    """yaml
    test.e100.v1
    """

  Scenario: A signal reaches its instance, also before it listens
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-signal, version: '1.0.0' }
    do:
      - pause: { wait: PT0.15S }
      - hear: { listen: { to: { one: { with: { type: io.penstock.signal.go.v1 } } } } }
    """
    When the workflow is started
    And the signal 'go' is sent:
    """yaml
    n: 1
    """
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 } ]
    """

  Scenario: A timeout ends a listening
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-timeout, version: '1.0.0' }
    do:
      - guarded:
          try:
            - hear: { listen: { to: { one: { with: { type: test.never.v1 } } } }, timeout: { after: PT0.05S } }
          catch: { errors: { with: { status: 408 } }, do: [ { handled: { set: { late: true } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    late: true
    """

  Scenario: A listener in a race against work
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: listen-race, version: '1.0.0' }
    do:
      - live:
          fork:
            compete: true
            branches:
              - work: { wait: PT1H }
              - stopped:
                  listen: { to: { one: { with: { type: io.penstock.signal.stop.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } } }
                  output: { as: '{ stoppedBy: .[0].actor }' }
    """
    When the workflow is started
    Then the workflow should wait
    When the signal 'stop' is sent:
    """yaml
    actor: ann
    """
    Then the workflow should complete with output:
    """yaml
    stoppedBy: ann
    """
    And work should cancel
