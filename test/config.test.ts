import { describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { StartupError } from '../src/errors.ts'

/** What the operator reads. */
function complaint(env: Record<string, string>): string {
  try {
    loadConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError)
    return (error as Error).message
  }
  throw new Error('nothing was wrong')
}

describe('the configuration', () => {
  test('needs nothing', () => {
    expect(loadConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 8000,
      database: { engine: 'sqlite', path: './data/parley.db' },
      apiKey: undefined,
      detect: 'on',
    })
  })

  test('takes what is empty as unset', () => {
    expect(loadConfig({ PORT: '', API_KEY: '  ', OPENAI_BASE_URL: '' })).toEqual(loadConfig({}))
  })

  test.each([
    [
      { DATABASE_URL: 'sqlite:///var/lib/parley.db' },
      { database: { engine: 'sqlite', path: '/var/lib/parley.db' } },
    ],
    [
      { DATABASE_URL: 'sqlite:/var/lib/parley.db' },
      { database: { engine: 'sqlite', path: '/var/lib/parley.db' } },
    ],
    [{ HOST: '[::1]' }, { host: '::1' }],
    [{ OPENAI_BASE_URL: 'http://127.0.0.1:8080/v1/' }, { openaiBaseUrl: 'http://127.0.0.1:8080/v1' }],
    [
      { CORS_ORIGINS: 'https://a.example, https://b.example,' },
      { corsOrigins: ['https://a.example', 'https://b.example'] },
    ],
    [
      { PROVIDERS: '{"lab":{"base_url":"http://10.0.0.5/v1"}}' },
      { endpoints: { lab: { base_url: 'http://10.0.0.5/v1' } } },
    ],
  ])('reads %j', (env, expected) => {
    expect(loadConfig(env)).toMatchObject(expected)
  })

  test.each([
    [{ PORT: 'http' }, 'PORT must be a whole number from 0 to 65535, not "http"'],
    [{ PORT: '65536' }, 'PORT must be a whole number from 0 to 65535'],
    [{ PORT: '80.5' }, 'PORT must be a whole number'],
    [{ HEARTBEAT_MS: '5' }, 'HEARTBEAT_MS must be a whole number from 100 to 600000'],
    [{ MAX_STREAMS: '-1' }, 'MAX_STREAMS must be a whole number from 1 to 1000000'],
    [{ HOST: 'not a host' }, 'HOST must be a host name or an IP address such as 0.0.0.0'],
    [{ AUTH: 'maybe' }, 'AUTH must be one of on, off, not "maybe"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL must be one of trace, debug, info, warn, error, silent'],
    [{ OPENAI_WIRE: 'soap' }, 'OPENAI_WIRE must be one of auto, responses, chat'],
    [
      { OPENAI_BASE_URL: 'localhost:8080' },
      'OPENAI_BASE_URL must be an address such as http://127.0.0.1:8080/v1',
    ],
    [{ OLLAMA_URL: 'ftp://127.0.0.1' }, 'OLLAMA_URL must be an address'],
    [{ DATABASE_URL: 'parley.db' }, 'DATABASE_URL must be sqlite:<path of a file>'],
    [{ DATABASE_URL: 'mysql://db' }, 'DATABASE_URL must be sqlite:<path of a file>'],
    [{ DATABASE_URL: 'sqlite::memory:' }, 'DATABASE_URL must be sqlite:<path of a file>'],
    [{ DATABASE_URL: 'sqlite:file:x.db?mode=memory' }, 'DATABASE_URL must be sqlite:<path of a file>'],
    [{ DATABASE_DIRECT_URL: 'sqlite:parley.db' }, 'DATABASE_DIRECT_URL must be postgres://<user>'],
    [{ ROLE: 'boss' }, 'ROLE must be one of all, api, worker, not "boss"'],
    [{ ROLE: 'worker' }, 'ROLE is worker, and a SQLite file has one process, which does all there is to do'],
    [
      { ROLE: 'api', DATABASE_URL: 'sqlite:parley.db' },
      'leave ROLE unset, or let DATABASE_URL name a Postgre',
    ],
    [{ BEDROCK_REGION: 'eu-central-1' }, 'set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and'],
    [{ BEDROCK_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'AKIA' }, 'set AWS_BEARER_TOKEN_BEDROCK'],
    [{ CONTINUING_PROVIDERS: 'ollama,openai' }, 'CONTINUING_PROVIDERS must be some of anthropic, mistral'],
    [{ PROVIDERS: '{"lab":{"base_url":"http://h/v1","continues":"yes"}}' }, 'PROVIDERS at lab.continues'],
    [{ PROVIDERS: 'lab' }, 'PROVIDERS: is not valid JSON; expected JSON like {"lab"'],
    [{ PROVIDERS: '{"lab":{}}' }, 'PROVIDERS at lab.base_url'],
    [{ PROVIDERS: '{"lab":{"base_url":"http://h/v1","key":"k"}}' }, 'PROVIDERS at lab'],
    [{ PROVIDERS: '{"My Lab":{"base_url":"http://h/v1"}}' }, 'PROVIDERS at My Lab'],
  ])('names the variable that is wrong and what would be right: %j', (env, expected) => {
    expect(complaint(env)).toContain(expected)
  })

  test('names all that is wrong at once', () => {
    const lines = complaint({ PORT: 'x', AUTH: 'x', HEARTBEAT_MS: 'x' }).split('\n')
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['PORT', 'AUTH', 'HEARTBEAT_MS'])
  })

  test('never repeats a secret', () => {
    expect(complaint({ API_KEY: 'hunter2' })).toBe('API_KEY must have at least 16 characters')
    expect(complaint({ PROVIDERS: '{"lab":{"base_url":7,"api_key":"hunter2"}}' })).not.toContain('hunter2')
  })
})

describe('a server that others can reach', () => {
  test.each(['0.0.0.0', '::', '192.168.1.5', 'parley.example', '127.0.0.1.example'])(
    'does not start on %s without protection',
    (HOST) => {
      expect(complaint({ HOST })).toMatch(/HOST is .* set API_KEY .* or AUTH=off/)
    },
  )

  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('is none on %s', (HOST) => {
    expect(loadConfig({ HOST }).host).toBe(HOST)
  })

  test('starts with a key, or where something in front of it authenticates', () => {
    expect(loadConfig({ HOST: '0.0.0.0', API_KEY: 'a-key-of-enough-characters' }).host).toBe('0.0.0.0')
    expect(loadConfig({ HOST: '0.0.0.0', AUTH: 'off' }).host).toBe('0.0.0.0')
  })

  test('does not start as an api node without protection, but as a worker, which serves only its health', () => {
    const env = { HOST: '0.0.0.0', DATABASE_URL: 'postgres://db/parley' }
    expect(complaint({ ...env, ROLE: 'api' })).toContain('set API_KEY')
    expect(loadConfig({ ...env, ROLE: 'worker' }).role).toBe('worker')
  })
})
