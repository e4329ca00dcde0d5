import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { StartupError } from '../../src/errors.ts'

test.each(['0.0.0.0', '::', '[::]', '192.168.1.7', 'example.com', '127.0.0.1.example.com', '0'])(
  'a server that others could reach does not start without a key: HOST=%s',
  (host) => {
    const load = () => loadConfig({ HOST: host })
    expect(load).toThrow(StartupError)
    expect(load).toThrow(/HOST.*API_KEY.*AUTH=off/s)
  },
)

test.each(['127.0.0.1', '127.8.9.10', 'localhost', '::1', '[::1]'])(
  'a server that only this machine can reach needs none: HOST=%s',
  (host) => expect(loadConfig({ HOST: host }).apiKey).toBeUndefined(),
)

test('a server that nobody was told about is one that only this machine can reach', () => {
  expect(loadConfig({})).toMatchObject({ host: '127.0.0.1', port: 8000 })
})

test('a key, or the word that there shall be none, lets it start', () => {
  expect(loadConfig({ HOST: '0.0.0.0', API_KEY: 'a-key-of-16-characters' }).host).toBe('0.0.0.0')
  expect(loadConfig({ HOST: '0.0.0.0', AUTH: 'off' }).host).toBe('0.0.0.0')
  expect(() => loadConfig({ HOST: '0.0.0.0', AUTH: 'no' })).toThrow('AUTH must be one of on, off')
})
