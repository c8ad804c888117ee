/** Tests wait for facts, not for times; this only ends a test that would hang. */
jest.setTimeout(120_000)
