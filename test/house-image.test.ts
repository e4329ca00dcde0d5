import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeSettings } from '../src/config.ts'

const settings = new Set([...describeSettings().matchAll(/^# ([A-Z0-9_]+)=/gm)].map(([, name]) => name))

/** Read by Node and its packages, not by the server. */
const others = ['NODE_ENV']

test('docker-compose.yml sets only what is a setting', () => {
  const [, environment = ''] =
    /\n {4}environment:\n((?: {6}.*\n)+)/.exec(readFileSync('docker-compose.yml', 'utf8')) ?? []
  const names = [...environment.matchAll(/^ {6}([A-Z0-9_]+):/gm)].map(([, name]) => name)
  expect(names).toContain('API_KEY')
  expect(names.filter((name) => !settings.has(name))).toEqual([])
})

test('the image sets only what is a setting', () => {
  const [, environment = ''] = /^ENV (.*)$/m.exec(readFileSync('Dockerfile', 'utf8')) ?? []
  const names = environment.split(' ').map((pair) => pair.split('=')[0] ?? '')
  expect(names).toContain('HOST')
  expect(names.filter((name) => !settings.has(name) && !others.includes(name))).toEqual([])
})
