Feature: Try, catch and retry
  What is caught, how often it is tried again, and what is left (language.md, E52–E69).

  Scenario: E52 an error names the task that raised it, wherever it is caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e52, version: '1.0.0' }
    do:
      - outer:
          try:
            - nested:
                do:
                  - fails: { raise: { error: { type: 'https://example.com/e', status: 400, title: Bad, detail: Worse } } }
          catch:
            do:
              - handled: { set: '${ $error }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    type: https://example.com/e
    status: 400
    title: Bad
    detail: Worse
    instance: /do/0/outer/try/0/nested/do/0/fails
    """

  Scenario: E53 pointers by container, without the number of the turn
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e53, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 1, 2 ]' }
          do:
            - guard:
                try:
                  - both:
                      fork:
                        branches:
                          - one: { if: '$index == 1', raise: { error: { type: 'https://example.com/e', status: 400 } } }
                catch:
                  do:
                    - again: { raise: { error: { type: '${ $error.type }', status: 401, detail: '${ $error.instance }' } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /do/0/loop/do/0/guard/catch/do/0/again
    detail: /do/0/loop/do/0/guard/try/0/both/fork/branches/0/one
    """

  Scenario: E54 names with a slash or a tilde are escaped
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e54, version: '1.0.0' }
    do:
      - a/b~c: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /do/0/a~1b~0c
    """

  Scenario: E55 every property of the filter must be equal
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e55, version: '1.0.0' }
    do:
      - outer:
          try:
            - inner:
                try:
                  - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
                catch:
                  errors: { with: { type: 'https://example.com/e', status: 401 } }
                  do: [ { wrong: { set: { wrong: true } } } ]
          catch:
            errors: { with: { type: 'https://example.com/e', status: 400, instance: /do/0/outer/try/0/inner/try/0/fails } }
            do: [ { right: { set: { right: true } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    right: true
    """

  Scenario: E55 both families of error types are the same
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e55-aliases, version: '1.0.0' }
    do:
      - a:
          try: [ { fails: { set: '${ error("x") }' } } ]
          catch:
            errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/expression' } }
            do: [ { one: { set: { one: true } } } ]
      - b:
          try: [ { fails: { raise: { error: { type: 'https://serverlessworkflow.io/dsl/errors/types/timeout', status: 408 } } } } ]
          catch:
            errors: { with: { type: 'https://open-workflow-specification.org/dsl/errors/types/timeout' } }
            do: [ { two: { set: '${ . + { two: true } }' } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    one: true
    two: true
    """

  Scenario: E56 when and exceptWhen see the try's input and the error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e56, version: '1.0.0' }
    do:
      - outer:
          try:
            - middle:
                try:
                  - inner:
                      input: { from: '{ want: .want }' }
                      try:
                        - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
                      catch:
                        when: '.want == "nobody"'
                        do: [ { wrong: { set: { caught: inner } } } ]
                catch:
                  exceptWhen: '$error.status == 400'
                  do: [ { wrong: { set: { caught: middle } } } ]
          catch:
            when: '.want == "outer" and $error.status == 400'
            exceptWhen: '$error.status == 500'
            do: [ { right: { set: { caught: outer } } } ]
    """
    And given the workflow input is:
    """yaml
    want: outer
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    caught: outer
    """

  Scenario: E57 the error's variable is called error, or as given
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e57, version: '1.0.0' }
    do:
      - a:
          try: [ { fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } } } ]
          catch: { do: [ { one: { set: { first: '${ $error.status }' } } } ] }
      - b:
          try: [ { fails: { raise: { error: { type: 'https://example.com/e', status: 401 } } } } ]
          catch: { as: problem, do: [ { two: { set: '${ . + { second: $problem.status } }' } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    first: 400
    second: 401
    """

  Scenario: E58 the handler runs once, after the retries
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e58, version: '1.0.0' }
    do:
      - a:
          try:
            - fails: { raise: { error: { type: 'https://example.com/e', status: 503 } } }
          catch:
            retry: { delay: PT0.01S, limit: { attempt: { count: 2 } } }
            do: [ { handled: { set: { handled: '${ $error.status }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    handled: 503
    """
    And 'a' should have been retried 2 times

  Scenario: E59 without a handler the last error goes on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e59, version: '1.0.0' }
    do:
      - a:
          try:
            - fails: { raise: { error: { type: 'https://example.com/e', status: 503 } } }
          catch: { retry: { limit: { attempt: { count: 1 } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    instance: /do/0/a/try/0/fails
    """
    And 'a' should have been retried 1 times

  Scenario: E60 with neither retry nor handler the error is swallowed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e60, version: '1.0.0' }
    do:
      - a:
          input: { from: '{ n: .n }' }
          try:
            - first: { set: { lost: true } }
            - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
          catch: {}
      - b: { set: '${ . + { after: true } }' }
    """
    And given the workflow input is:
    """yaml
    { n: 1, m: 2 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    after: true
    """

  Scenario: E61 a count of five is five retries after the first attempt
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e61, version: '1.0.0' }
    do:
      - a:
          try:
            - get: { call: http, with: { method: get, endpoint: 'http://service.test/flaky/e61/9' } }
          catch: { retry: { limit: { attempt: { count: 5 } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """
    And the service should have been called 6 times at '/flaky/e61/9'

  Scenario: E62 delays are constant, linear or exponential, and the first is the delay itself
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e62, version: '1.0.0' }
    use:
      retries:
        constant: { delay: PT0.04S, backoff: { constant: {} }, limit: { attempt: { count: 3 } } }
        linear: { delay: PT0.04S, backoff: { linear: {} }, limit: { attempt: { count: 3 } } }
        exponential: { delay: PT0.04S, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } }
    do:
      - all:
          fork:
            branches:
              - constant:
                  try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/flaky/e62c/3' } } } ]
                  catch: { retry: constant }
                  output: { as: '$task.startedAt.epoch.milliseconds as $s | .calls' }
              - linear:
                  try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/flaky/e62l/3' } } } ]
                  catch: { retry: linear }
                  output: { as: .calls }
              - exponential:
                  try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/flaky/e62e/3' } } } ]
                  catch: { retry: exponential }
                  output: { as: .calls }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 4, 4, 4 ]
    """
    And 'constant' should have been retried after 40, 40, 40 ms
    And 'linear' should have been retried after 40, 80, 120 ms
    And 'exponential' should have been retried after 40, 80, 160 ms

  Scenario: E63 without a delay it is tried again at once
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e63, version: '1.0.0' }
    do:
      - a:
          try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/flaky/e63/2' } } } ]
          catch: { retry: { limit: { attempt: { count: 3 } } } }
          output: { as: .calls }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    3
    """
    And 'a' should have been retried after 0, 0 ms

  Scenario: E64 the limit of an attempt cuts it with a timeout, which is caught as any error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e64-attempt, version: '1.0.0' }
    do:
      - a:
          try: [ { hangs: { wait: PT1H } } ]
          catch:
            errors: { with: { status: 408 } }
            retry: { limit: { attempt: { count: 1, duration: PT0.05S } } }
            do: [ { handled: { set: { status: '${ $error.status }', instance: '${ $error.instance }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 408
    instance: /do/0/a
    """
    And 'a' should have been retried 1 times
    And hangs should cancel

  Scenario: E64 the limit of all attempts ends the running one, and no other starts
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e64-total, version: '1.0.0' }
    do:
      - a:
          try: [ { hangs: { wait: PT1H } } ]
          catch: { retry: { limit: { duration: PT0.05S } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 408
    instance: /do/0/a
    """
    And 'a' should have been retried 0 times

  Scenario: E64 no retry starts whose delay would end after the limit
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e64-delay, version: '1.0.0' }
    do:
      - a:
          try: [ { fails: { raise: { error: { type: 'https://example.com/e', status: 503 } } } } ]
          catch: { retry: { delay: PT0.1S, limit: { duration: PT0.25S } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """
    And 'a' should have been retried 2 times

  Scenario: E65 a retried attempt starts from the try's input; exports stay
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e65, version: '1.0.0' }
    do:
      - a:
          try:
            - note: { set: { was: '${ . }' }, export: { as: '{ attempts: (($context.attempts // []) + [ .was ]) }' } }
            - fails: { if: '($context.attempts | length) < 3', raise: { error: { type: 'https://example.com/e', status: 503 } } }
          catch: { retry: { limit: { attempt: { count: 5 } } } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    was: { n: 1 }
    """
    And the workflow context should be:
    """yaml
    attempts: [ { n: 1 }, { n: 1 }, { n: 1 } ]
    """

  Scenario: E16 what a failing try exported stays
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e16-try, version: '1.0.0' }
    do:
      - a:
          try:
            - note: { set: { n: 1 }, export: { as: . } }
            - fails: { raise: { error: { type: 'https://example.com/e', status: 503 } } }
          catch: {}
      - b: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: E67 an error in the handler leaves this try
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e67, version: '1.0.0' }
    do:
      - outer:
          try:
            - inner:
                try: [ { fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } } } ]
                catch:
                  do:
                    - worse: { raise: { error: { type: 'https://example.com/e', status: 500 } } }
          catch: { do: [ { handled: { set: { status: '${ $error.status }', instance: '${ $error.instance }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 500
    instance: /do/0/outer/try/0/inner/catch/do/0/worse
    """

  Scenario: E68 an error in the try's own data flow is not its own to catch
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e68, version: '1.0.0' }
    do:
      - outer:
          try:
            - inner:
                input: { from: 'error("input")' }
                try: [ { a: { set: { a: 1 } } } ]
                catch: { do: [ { wrong: { set: { wrong: true } } } ] }
          catch: { do: [ { right: { set: { instance: '${ $error.instance }' } } } ] }
      - other:
          try:
            - inner:
                try: [ { a: { set: { a: 1 } } } ]
                catch: { do: [ { wrong: { set: { wrong: true } } } ] }
                output: { as: 'error("output")' }
          catch: { do: [ { right: { set: '${ . + { second: $error.instance } }' } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    instance: /do/0/outer/try/0/inner
    second: /do/1/other/try/0/inner
    """

  Scenario: E73 a raise never takes its then
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e73, version: '1.0.0' }
    do:
      - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } }, then: end }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 400
    """

  Scenario: E97 the handler works on the try's transformed input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e97, version: '1.0.0' }
    do:
      - a:
          input: { from: '{ n: (.n + 1) }' }
          try:
            - first: { set: { lost: true } }
            - fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } }
          catch: { do: [ { handled: { set: { input: '${ . }', status: '${ $error.status }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    input: { n: 2 }
    status: 400
    """

  Scenario: A policy's when and exceptWhen say what is worth a retry
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: retry-when, version: '1.0.0' }
    do:
      - a:
          try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/status/404' } } } ]
          catch:
            retry: { when: '$error.status >= 500', limit: { attempt: { count: 3 } } }
            do: [ { handled: { set: { first: '${ $error.status }' } } } ]
      - b:
          try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/status/502' } } } ]
          catch:
            retry: { exceptWhen: '$error.status == 502', limit: { attempt: { count: 3 } } }
            do: [ { handled: { set: '${ . + { second: $error.status } }' } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    first: 404
    second: 502
    """
    And the service should have been called 1 times at '/status/404'
    And the service should have been called 1 times at '/status/502'

  Scenario: A handler may say where to go on
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: catch-then, version: '1.0.0' }
    do:
      - a:
          try: [ { fails: { raise: { error: { type: 'https://example.com/e', status: 400 } } } } ]
          catch: { then: recover }
          then: end
      - between: { set: { between: true } }
      - recover: { set: { recovered: true } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    recovered: true
    """
    And between should not have run

  Scenario: A jitter is added to the delay
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: jitter, version: '1.0.0' }
    do:
      - a:
          try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/flaky/jitter/2' } } } ]
          catch: { retry: { delay: PT0.01S, jitter: { from: PT0.02S, to: PT0.05S }, limit: { attempt: { count: 2 } } } }
          output: { as: .calls }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    3
    """
    And 'a' should have been retried after 30, 30 ms

  Scenario: A name in a filter that reads nothing is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: retry-name, version: '1.0.0' }
    do:
      - a:
          try: [ { b: { set: { a: 1 } } } ]
          catch: { retry: missing }
    """
    Then the definition should be refused at '/do/0/a/catch/retry'
