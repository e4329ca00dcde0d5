import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Job, Jobs, Look } from '../../src/jobs/jobs.ts'
import { openJobs } from '../support/jobs.ts'
import { type OpenStorage, openStorage } from '../support/storage.ts'
import { until } from '../support/until.ts'

/** Well below the 2 s in which a node looks without being told. */
const soonMs = 1_000

describe('jobs of two nodes', () => {
  let opened: OpenStorage
  let ears: Client
  let notices: number
  let nodes: Jobs[]
  let looked: string[]
  let ends: Array<() => void>

  beforeEach(async () => {
    opened = await openStorage()
    ears = new Client({ connectionString: opened.url })
    notices = 0
    ears.on('notification', ({ payload }) => (notices += payload?.includes(' jobs ') ? 1 : 0))
    await ears.connect()
    await ears.query('listen parley')
    nodes = []
    looked = []
    ends = []
  })
  afterEach(async () => {
    for (const end of ends) end()
    await Promise.all(nodes.map((node) => node.stop(0)))
    await ears.end()
    await opened.remove()
  })

  async function open(limits: { maxRunning?: number; maxRunningPerGroup?: number } = {}): Promise<Jobs> {
    const { maxRunning = 100, maxRunningPerGroup = 100 } = limits
    const jobs = await openJobs(opened, { maxRunning, maxRunningPerGroup, onError: () => {} })
    nodes.push(jobs)
    return jobs
  }

  async function begin(limits?: { maxRunning?: number; maxRunningPerGroup?: number }): Promise<Jobs> {
    const jobs = await open(limits)
    jobs.start(lookAs(`node ${nodes.length}`))
    return jobs
  }

  /** Runs each job until the test ends it. */
  function lookAs(node: string): Look {
    return async ({ interactionId }) => {
      looked.push(`${node}: ${interactionId}`)
      await new Promise<void>((resolve) => ends.push(resolve))
      return undefined
    }
  }

  const post = (at: Jobs, interactionId: string, group = 'one') => {
    const job: Job = { interactionId, group }
    return opened.storage.write((tx) => at.enqueue(tx, job))
  }
  const hasLookedAt = (id: string) =>
    until(`looking at ${id}`, () => looked.some((each) => each.endsWith(id)), soonMs)
  const hasLooked = (what: string) => until(what, () => looked.includes(what), soonMs)

  test('a node that takes its own job bothers no other', async () => {
    const one = await begin()
    await begin()
    for (const id of ['a', 'b', 'c']) {
      await post(one, id)
      await hasLookedAt(id)
    }
    // Of the four, only the one that was posted to a node that makes no answers was told.
    await post(await open(), 'd')
    await hasLookedAt('d')
    // Each hears of it on a connection of its own, the nodes perhaps first.
    await until('told', () => notices > 0)
    expect(notices).toBe(1)
  })

  test('a node without room lets another have the job at once', async () => {
    const one = await begin({ maxRunning: 1 })
    await post(one, 'a')
    await hasLooked('node 1: a')
    await begin()
    await post(one, 'b')
    await hasLooked('node 2: b')
  })

  test('what is posted to a node while another answers follows that answer at once', async () => {
    const one = await begin()
    await post(one, 'a')
    await hasLooked('node 1: a')
    const two = await begin()
    await post(two, 'a')
    await until('told', () => notices > 0)
    ends[0]?.()
    await until('again', () => looked.length === 2, soonMs)
  })

  test('what waits for a place of its group, posted anywhere, gets the first that is free', async () => {
    const one = await begin({ maxRunningPerGroup: 1 })
    const two = await begin({ maxRunningPerGroup: 1 })
    await post(one, 'a')
    await hasLooked('node 1: a')
    await post(two, 'b')
    await until('told', () => notices > 0)
    ends[0]?.()
    await until('b runs', () => looked.length === 2, soonMs)
  })

  test('a node that stops leaves what waited for its job to the others at once', async () => {
    const one = await begin()
    await post(one, 'a')
    await hasLooked('node 1: a')
    await begin()
    await post(one, 'a')
    await until('told', () => notices > 0)
    const stopped = one.stop(60_000)
    ends[0]?.()
    await stopped
    await hasLooked('node 2: a')
  })
})
