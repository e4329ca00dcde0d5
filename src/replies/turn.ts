import type { Clock } from '../clock.ts'
import type { EventLog } from '../events/log.ts'
import type { Job } from '../jobs/jobs.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Call, ProviderHealth } from '../providers/health.ts'
import type { Models, ResolvedModel } from '../providers/registry.ts'
import type { Storage } from '../storage/storage.ts'
import { chooseNow, type ModelFacts } from './failover.ts'
import type { OpenReply, WaitingReply } from './open-store.ts'
import type { createRateStore } from './rate-store.ts'
import { isGood, reserve, takeBack } from './rate-window.ts'
import { saidIn, speakerIn } from './said.ts'
import type { ReplyStore } from './store.ts'
import type { Beginning } from './take-over.ts'
import { looksAgainAt, type WaitLimits } from './waiting.ts'

/** Further ahead than this no place is given out: those who are cancelled meanwhile would leave it empty. */
const aheadMs = 60_000

export interface TurnLimits extends WaitLimits {
  /** By provider, where it has a limit. */
  requestsPerMinute: Map<string, number>
}

/** It may be made now: with this call of its model, where somebody serves that; or not any more. */
export type Turn =
  | { kind: 'go'; reply: OpenReply; call: Call | undefined }
  | { kind: 'give up'; reply: OpenReply; failure: ProviderFailure }
  | { kind: 'later'; job: Job | undefined }

/**
 * Decides who is asked for a reply whose turn it is, and when: not whose circuit is open, and nobody more often than
 * agreed. Waiting for that is no try.
 */
export function createTurns(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'move' | 'putOff'>
  events: Pick<EventLog, 'read'>
  rates: ReturnType<typeof createRateStore>
  models: Pick<Models, 'resolve'>
  health: Pick<ProviderHealth, 'begin' | 'askableAt'>
  facts: Pick<ModelFacts, 'askableAt'>
  jobOf: (reply: WaitingReply) => Job
  limits: TurnLimits
  now: Clock
  random: () => number
}) {
  const { storage, store, events, rates, models, health, facts, jobOf, limits, now, random } = parts

  return async function takeTurn(reply: OpenReply, keeps: Beginning['keeps']): Promise<Turn> {
    const course = (await isBound(reply, keeps)) ? { ...reply, models: [reply.model] } : reply
    const { model, askableAt, tried } = chooseNow(course, facts, now())
    if (model !== reply.model) return moveTo({ ...reply, model, tried })
    const resolved = resolve(model)
    if (!resolved) return { kind: 'go', reply, call: undefined }
    if (askableAt > 0) return waitForProvider(reply, askableAt)
    // Before its time is agreed: of those that come together only one may be the probe, and the others need none.
    const call = health.begin(resolved)
    if (!call) return waitForProvider(reply, health.askableAt(resolved))
    const later = await slotOf(reply, resolved).catch((error: unknown) => {
      call.notMade()
      throw error
    })
    if (!later) return { kind: 'go', reply, call }
    call.notMade()
    return putOff(reply, later)
  }

  /** Whether the model goes on with what it said: then it is waited for, and no other one is asked. */
  async function isBound({ id, models: named }: OpenReply, keeps: Beginning['keeps']): Promise<boolean> {
    if (!keeps || named.length < 2) return false
    const told = await events.read(id, 0, Number.MAX_SAFE_INTEGER)
    return keeps({ said: saidIn(told), speaker: speakerIn(told) })
  }

  function resolve(model: string): ResolvedModel | undefined {
    try {
      return models.resolve(model)
    } catch {
      // The attempt will say so.
      return undefined
    }
  }

  /** It counts among those of its new provider from the next look on. */
  async function moveTo(reply: OpenReply): Promise<Turn> {
    const { id, model, tried } = reply
    const isOpen = await storage.write((tx) => store.move(tx, { id, model, tried, now: now() }))
    return { kind: 'later', job: isOpen ? jobOf({ ...reply, notBefore: null }) : undefined }
  }

  async function waitForProvider(reply: OpenReply, askableAt: number): Promise<Turn> {
    const waitingSince = reply.waitingSince ?? now()
    if (now() - waitingSince >= limits.maxProviderWaitMs) {
      const detail = `may not be asked since ${now() - waitingSince} ms`
      const failure = new ProviderFailure('provider_unavailable', detail, { isRetryable: false })
      return { kind: 'give up', reply, failure }
    }
    const waiting = { askableAt, waitingSince, failures: reply.failures }
    const notBefore = looksAgainAt(waiting, { limits, now: now(), random: random() })
    // Its time, if it has one, is taken back when it gets another.
    return putOff(reply, { notBefore, slotAt: reply.slotAt, waitingSince })
  }

  /** When it may ask, where that is not now. */
  async function slotOf(reply: OpenReply, { provider: { name } }: ResolvedModel) {
    const perMinute = limits.requestsPerMinute.get(name)
    if (perMinute === undefined) return undefined
    const time = now()
    // It was agreed, and has come.
    if (reply.slotAt !== null && isGood(reply.slotAt, time)) return undefined
    const slotAt = await storage.write(async (tx) => {
      const others = takeBack(await rates.hold(tx, name), reply.slotAt)
      const { at, window } = reserve(others, perMinute, time)
      const isNear = at - time <= aheadMs
      await rates.write(tx, name, isNear ? window : others)
      return isNear ? at : undefined
    })
    if (slotAt !== undefined && slotAt <= time) return undefined
    const notBefore = slotAt ?? Math.round(time + (aheadMs * (1 + random())) / 2)
    // Its provider may be asked: what is waited for now is a time, and not that it comes back.
    return { notBefore, slotAt: slotAt ?? null, waitingSince: null }
  }

  async function putOff(
    reply: OpenReply,
    given: { notBefore: number; slotAt: number | null; waitingSince: number | null },
  ): Promise<Turn> {
    const isOpen = await storage.write((tx) => store.putOff(tx, { id: reply.id, ...given, now: now() }))
    return { kind: 'later', job: isOpen ? jobOf({ ...reply, notBefore: given.notBefore }) : undefined }
  }
}
