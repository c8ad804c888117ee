/** Tests wait for facts, not for times; this only ends a test that would hang. jest knows no time-out of a project. */
jest.setTimeout(120_000)
