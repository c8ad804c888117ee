import { resolve } from 'node:path'
import { type Environment, readConfig, requireServers, type SettingName, settings } from '../../src/config'

describe('the configuration', () => {
  it('has a value for everything a local instance needs when nothing is set', () => {
    expect(readConfig({})).toEqual({
      database: 'sluice',
      namespace: 'default',
      host: '127.0.0.1',
      endpoints: {},
      logLevel: 'info',
      gcEveryHours: 24,
      folder: resolve('.sluice'),
      cacheFolder: expect.stringMatching(/\/\.cache\/sluice$/),
    })
  })

  it('takes an empty variable for one that is not set', () => {
    expect(readConfig({ MONGODB_URI: '', SLUICE_PORT: ' ' })).toEqual(readConfig({}))
  })

  it('reads every setting', () => {
    const environment: Record<SettingName, string> & Environment = {
      MONGODB_URI: 'mongodb://user:secret@db.example:27017/?replicaSet=rs0',
      SLUICE_DATABASE: 'sluice_staging',
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_UI_URL: 'https://temporal.example/',
      SLUICE_NAMESPACE: 'releases',
      SLUICE_HOST: '0.0.0.0',
      SLUICE_PORT: '0',
      SLUICE_ENDPOINTS:
        '{"openai":{"url":"https://api.example/v1","apiKeyEnv":"MODEL_KEY"},"local":{"url":"http://[::1]:1/v1"}}',
      SLUICE_CAPTURE_KEY: '',
      SLUICE_URL: 'https://sluice.example',
      SLUICE_API_KEY: 'sluice_app_1',
      SLUICE_LOG_LEVEL: 'debug',
      SLUICE_GC_EVERY_HOURS: '6',
      SLUICE_FOLDER: '/var/lib/sluice',
      SLUICE_CACHE: '/var/cache/sluice',
      SLUICE_WORKFLOW_BUNDLE: '/app/bundle.js',
      SLUICE_CHROMIUM: '/usr/bin/chromium',
      SLUICE_TEST_SERVER: '/opt/test-server',
      MODEL_KEY: 'sk-1',
    }
    expect(readConfig(environment)).toEqual({
      mongodbUri: environment.MONGODB_URI,
      database: 'sluice_staging',
      temporalAddress: 'temporal.example:7233',
      temporalUiUrl: 'https://temporal.example',
      namespace: 'releases',
      host: '0.0.0.0',
      port: 0,
      endpoints: {
        openai: { url: 'https://api.example/v1', apiKeyEnv: 'MODEL_KEY', apiKey: 'sk-1' },
        local: { url: 'http://[::1]:1/v1' },
      },
      url: 'https://sluice.example',
      apiKey: 'sluice_app_1',
      logLevel: 'debug',
      gcEveryHours: 6,
      folder: '/var/lib/sluice',
      cacheFolder: '/var/cache/sluice',
      workflowBundle: '/app/bundle.js',
      chromium: '/usr/bin/chromium',
      testServer: '/opt/test-server',
    })
  })

  it.each<[SettingName, string]>([
    ['MONGODB_URI', 'localhost:27017'],
    ['SLUICE_DATABASE', 'a.b'],
    ['TEMPORAL_ADDRESS', 'http://localhost:7233'],
    ['TEMPORAL_UI_URL', 'localhost:8233'],
    ['SLUICE_NAMESPACE', '-'],
    ['SLUICE_HOST', 'a host'],
    ['SLUICE_PORT', '65536'],
    ['SLUICE_PORT', '-1'],
    ['SLUICE_PORT', '80a'],
    ['SLUICE_ENDPOINTS', 'openai=https://api.example'],
    ['SLUICE_ENDPOINTS', '[]'],
    ['SLUICE_ENDPOINTS', '{"a":{"url":"ftp://a"}}'],
    ['SLUICE_ENDPOINTS', '{"a":{"url":"http://a","key":"sk-1"}}'],
    ['SLUICE_ENDPOINTS', '{"a":{"url":"http://a","apiKeyEnv":"NOT_SET"}}'],
    ['SLUICE_ENDPOINTS', '{"a":{"url":"http://a","concurrency":0}}'],
    ['SLUICE_URL', 'sluice.example'],
    ['SLUICE_LOG_LEVEL', 'loud'],
    ['SLUICE_GC_EVERY_HOURS', '0'],
    ['SLUICE_GC_EVERY_HOURS', '721'],
    ['SLUICE_GC_EVERY_HOURS', 'daily'],
  ])('refuses %s=%s, naming the variable and what it takes', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'invalid_config', details: { variable: name } }),
    )
    expect(() => readConfig({ [name]: value })).toThrow(`It takes ${settings[name].takes}.`)
  })

  it('keeps a password out of the message', () => {
    expect(() => readConfig({ MONGODB_URI: 'mongo://user:secret@db' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    )
  })

  it.each<[SettingName, Environment]>([
    ['MONGODB_URI', { TEMPORAL_ADDRESS: 'localhost:7233' }],
    ['TEMPORAL_ADDRESS', { MONGODB_URI: 'mongodb://localhost' }],
  ])('refuses a server process without %s', (name, environment) => {
    expect(() => requireServers(readConfig(environment))).toThrow(
      expect.objectContaining({ code: 'invalid_config', details: { variable: name } }),
    )
  })
})
