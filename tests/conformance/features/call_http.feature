Feature: HTTP calls
  Scenario: Method, headers, query and body go out; the answer's content comes back
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http, version: '1.0.0' }
    do:
      - post:
          call: http
          with:
            method: post
            endpoint: http://service.test/echo
            headers: { X-Test: '${ .h }' }
            query: { q: '${ .q }', fixed: one }
            body: { order: '${ .order }', literal: .order }
          output: { as: '{ method, path, query, body, type: .headers["content-type"], test: .headers["x-test"] }' }
    """
    And given the workflow input is:
    """yaml
    { h: header, q: a b, order: { id: 1 } }
    """
    When the workflow is executed
    Then the workflow output should have a 'method' property with value:
    """yaml
    POST
    """
    And the workflow output should have a 'body' property with value:
    """yaml
    { order: { id: 1 }, literal: .order }
    """
    And the workflow output should have a 'type' property with value:
    """yaml
    application/json
    """
    And the workflow output should have a 'test' property with value:
    """yaml
    header
    """
    And the workflow output should have properties 'query', 'path'

  Scenario: E48 a URI template takes top-level properties by their name, as it stands, and encodes them
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e48, version: '1.0.0' }
    do:
      - get:
          call: http
          with: { method: get, endpoint: 'http://service.test/echo?a={pet.id}&b={missing}&c={text}&d={number}' }
          output: { as: .query }
    """
    And given the workflow input is:
    """yaml
    pet.id: 7
    text: a b/c&d
    number: 1.50
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a=7&b=&c=a%20b%2Fc%26d&d=1.50
    """

  Scenario: E48 an object in a URI template is an expression error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e48-object, version: '1.0.0' }
    do:
      - get: { call: http, with: { method: get, endpoint: 'http://service.test/status/{o}' } }
    """
    And given the workflow input is:
    """yaml
    o: { a: 1 }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/get
    """

  Scenario: E49 an endpoint may be an expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e49, version: '1.0.0' }
    do:
      - get:
          call: http
          with: { method: GET, endpoint: { uri: '${ "\(.base)/status/\(200 + 1)" }' } }
    """
    And given the workflow input is:
    """yaml
    base: http://service.test
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 201
    """

  Scenario: E75 a redirect is an error unless it is followed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e75, version: '1.0.0' }
    do:
      - guarded:
          try: [ { get: { call: http, with: { method: get, endpoint: 'http://service.test/redirect' } } } ]
          catch: { do: [ { handled: { set: { status: '${ $error.status }' } } } ] }
      - follow:
          input: { from: . }
          call: http
          with: { method: get, endpoint: 'http://service.test/redirect', redirect: true }
          output: { as: '{ refused: $input.status, path }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    refused: 302
    path: /echo
    """

  Scenario: E76 a status is a communication error with that status
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e76, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 401, 403, 404, 408, 500, 503 ]', each: code }
          do:
            - guarded:
                try:
                  - get: { call: http, with: { method: get, endpoint: '${ "http://service.test/status/\($code)" }' } }
                catch:
                  errors: { with: { type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication' } }
                  do: [ { note: { set: '${ . + [ $error.status ] }' } } ]
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 401, 403, 404, 408, 500, 503 ]
    """

  Scenario: Nobody there is a communication error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: refused, version: '1.0.0' }
    do:
      - get: { call: http, with: { method: get, endpoint: 'http://127.0.0.1:1/' } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 500
    instance: /do/0/get
    """

  Scenario: The whole answer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http-response, version: '1.0.0' }
    do:
      - get:
          call: http
          with: { method: get, endpoint: 'http://service.test/status/200', output: response }
          output: { as: '{ statusCode, content, method: .request.method, type: (.headers | with_entries(.key |= ascii_downcase))["content-type"] }' }
    """
    When the workflow is executed
    Then the workflow output should have a 'statusCode' property with value:
    """yaml
    200
    """
    And the workflow output should have a 'content' property with value:
    """yaml
    { status: 200 }
    """
    And the workflow output should have properties 'method', 'type'

  Scenario: Content by its type, raw as base64
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http-content, version: '1.0.0' }
    do:
      - text: { call: http, with: { method: get, endpoint: 'http://service.test/text' }, export: { as: '[ . ]' } }
      - raw: { call: http, with: { method: get, endpoint: 'http://service.test/text', output: raw }, export: { as: '$context + [ . ]' } }
      - empty: { call: http, with: { method: get, endpoint: 'http://service.test/empty' }, export: { as: '$context + [ . ]' } }
      - all: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ hello, aGVsbG8=, null ]
    """

  Scenario: Basic authentication, in place, by name and from a secret
    Given the secret 'login' is '{ "username": "ann", "password": "hush" }'
    And a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http-basic, version: '1.0.0' }
    use:
      secrets: [ login ]
      authentications:
        named: { basic: { username: '${ .user }', password: hush } }
    do:
      - a:
          input: { from: '{ user: "ann" }' }
          call: http
          with: { method: get, endpoint: { uri: 'http://service.test/basic-auth/ann/hush', authentication: { basic: { username: ann, password: hush } } } }
      - b:
          input: { from: '{ user: "ann" }' }
          call: http
          with: { method: get, endpoint: { uri: 'http://service.test/basic-auth/ann/hush', authentication: { use: named } } }
      - c:
          call: http
          with: { method: get, endpoint: { uri: 'http://service.test/basic-auth/ann/hush', authentication: { basic: { use: login } } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    authenticated: true
    """

  Scenario: A password that is not theirs is an error with status 401
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http-basic-other, version: '1.0.0' }
    do:
      - a:
          call: http
          with: { method: get, endpoint: { uri: 'http://service.test/basic-auth/ann/hush', authentication: { basic: { username: ann, password: other } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 401
    instance: /do/0/a
    """

  Scenario: A bearer token
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http-bearer, version: '1.0.0' }
    do:
      - a:
          call: http
          with: { method: get, endpoint: { uri: 'http://service.test/echo', authentication: { bearer: { token: '${ .t }' } } } }
          output: { as: .headers.authorization }
    """
    And given the workflow input is:
    """yaml
    t: abc
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Bearer abc
    """

  Scenario: E101 a key for each turn of a loop, and a new one for a retry after an answer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: e101, version: '1.0.0' }
    do:
      - loop:
          for: { in: '[ 1, 2, 3 ]' }
          do:
            - get:
                call: http
                with: { method: get, endpoint: 'http://service.test/echo' }
                export: { as: '($context // []) + [ .headers["idempotency-key"] ]' }
      - count: { set: { keys: '${ $context | unique | length }', ours: '${ $context | map(startswith($workflow.id)) | all }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    keys: 3
    ours: true
    """

  Scenario: An authentication that is not declared is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: http-use, version: '1.0.0' }
    do:
      - a: { call: http, with: { method: get, endpoint: { uri: 'http://service.test/echo', authentication: { use: nobody } } } }
    """
    Then the definition should be refused at '/do/0/a/with/endpoint/authentication/use'
