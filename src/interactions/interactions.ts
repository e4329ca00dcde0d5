import type { Clock } from '../clock.ts'
import { notFound, ParleyError } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import { newId } from '../ids.ts'
import type { Page, PageRequest } from '../paging.ts'
import type { Models } from '../providers/registry.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import {
  type Interaction,
  type Metadata,
  type Origin,
  type Policy,
  type Role,
  type Sampling,
  usualPolicy,
} from './interaction.ts'
import { createExpiryStore } from './expiry-store.ts'
import { createInteractionStore, type InteractionFilter } from './store.ts'

export interface InteractionSettings {
  title?: string | null | undefined
  /** One, or a list: who answers, and who else where the first cannot. */
  model?: string | string[] | undefined
  role?: Role | undefined
  prompt?: string | null | undefined
  sampling?: { [Name in keyof Sampling]: Sampling[Name] | null } | undefined
  policy?: { [Name in keyof Policy]: Policy[Name] | undefined } | undefined
  metadata?: Metadata | undefined
  currentBranch?: number | undefined
}

export interface CreateOptions {
  /** Accepts a model that nobody serves. */
  acceptAnyModel?: boolean
  origin?: Origin
  /** It is not listed, and removed so many milliseconds later, or when its last answer has ended. */
  keptMs?: number | undefined
  /** What else is to be stored with it, in the same transaction. */
  also?: (tx: Transaction, interaction: Interaction) => Promise<void>
}

export type Interactions = ReturnType<typeof createInteractions>

/** The verbs of interactions. Each finds through the owner: what is another's is not found. */
export function createInteractions(parts: {
  storage: Storage
  models: Pick<Models, 'resolveAll' | 'defaultModel'>
  changes: Pick<Changes, 'record' | 'goesOn'>
  now: Clock
  /** Whether the interaction has such a branch: what is said is another room's. */
  hasBranch: (tx: Transaction, interactionId: string, branch: number) => Promise<boolean>
  /** Runs in the transaction that removes an interaction, before it is gone. */
  onRemove: (tx: Transaction, interactionId: string) => Promise<void>
}) {
  const { storage, models, changes, now, hasBranch, onRemove } = parts
  const store = createInteractionStore(storage)
  const expiry = createExpiryStore()

  /** Rejects with `unknown_model` where no provider serves the model, unless any name is to be `accepted`. */
  async function create(
    ownerId: string,
    settings: InteractionSettings,
    options: CreateOptions = {},
  ): Promise<Interaction> {
    const { acceptAnyModel = false, also = async () => {} } = options
    if (settings.model !== undefined && !acceptAnyModel) models.resolveAll(settings.model)
    return storage.write(async (tx) => {
      const interaction = await createIn(tx, ownerId, settings, options)
      await also(tx, interaction)
      return interaction
    })
  }

  /** As part of a transaction, whatever its model; the caller has asked whether somebody serves that. */
  async function createIn(
    tx: Transaction,
    ownerId: string,
    settings: InteractionSettings,
    { origin, keptMs }: Pick<CreateOptions, 'origin' | 'keptMs'> = {},
  ): Promise<Interaction> {
    const at = now()
    const interaction: Interaction = {
      id: newId(),
      ownerId,
      title: settings.title ?? null,
      ...answering(settings.model ?? models.defaultModel),
      role: settings.role ?? 'System',
      prompt: settings.prompt ?? null,
      sampling: changedSampling({}, settings.sampling),
      policy: changedPolicy(usualPolicy, settings.policy),
      metadata: settings.metadata ?? {},
      currentBranch: 0,
      origin: origin ?? null,
      expiresAt: keptMs === undefined ? null : at + keptMs,
      createdAt: at,
      updatedAt: at,
    }
    await store.insert(tx, interaction)
    return interaction
  }

  async function find(ownerId: string, id: string): Promise<Interaction> {
    const interaction = await store.find(storage.db, ownerId, id)
    if (!interaction) throw notFound('Interaction')
    return interaction
  }

  /** Holds an interaction: until the transaction ends, nobody posts to it or changes it. Resolves with it as it is. */
  async function hold(tx: Transaction, ownerId: string, id: string): Promise<Interaction> {
    const interaction = (await store.lock(tx, ownerId, id)) && (await store.find(tx, ownerId, id))
    if (!interaction) throw notFound('Interaction')
    return interaction
  }

  /** Those that are kept. */
  function list(ownerId: string, request: PageRequest & InteractionFilter): Promise<Page<Interaction>> {
    return store.list(ownerId, request)
  }

  /**
   * Changes what is given and leaves the rest; metadata is replaced whole. `also` is what else is to be stored with
   * it, in the same transaction.
   */
  async function change(
    ownerId: string,
    id: string,
    settings: InteractionSettings,
    also?: (tx: Transaction) => Promise<void>,
  ): Promise<Interaction> {
    if (settings.model !== undefined) models.resolveAll(settings.model)
    return storage.write(async (tx) => {
      // A post may move it to another branch meanwhile.
      const before = await hold(tx, ownerId, id)
      const { currentBranch = before.currentBranch } = settings
      if (currentBranch !== before.currentBranch && !(await hasBranch(tx, id, currentBranch)))
        throw noBranch()
      const changed: Interaction = {
        ...before,
        title: settings.title === undefined ? before.title : settings.title,
        ...(settings.model !== undefined && answering(settings.model)),
        role: settings.role ?? before.role,
        prompt: settings.prompt === undefined ? before.prompt : settings.prompt,
        sampling: changedSampling(before.sampling, settings.sampling),
        policy: changedPolicy(before.policy, settings.policy),
        metadata: settings.metadata ?? before.metadata,
        currentBranch,
        updatedAt: now(),
      }
      await store.update(tx, changed)
      await changes.record(tx, id, 'interaction.changed', {})
      await also?.(tx)
      return changed
    })
  }

  /** Removes the interaction, its messages, their replies and their events. */
  function remove(ownerId: string, id: string): Promise<void> {
    return storage.write((tx) => removeIn(tx, ownerId, id))
  }

  async function removeIn(tx: Transaction, ownerId: string, id: string): Promise<void> {
    await hold(tx, ownerId, id)
    await onRemove(tx, id)
    await store.remove(tx, id)
    changes.goesOn(tx, id)
  }

  /**
   * Gives the next `count` positions of the interaction to the caller's transaction: positions have no gaps,
   * because they are taken together with the messages that use them. Undefined where there is no such interaction.
   */
  function takePositions(tx: Transaction, ownerId: string, id: string, count: number) {
    changes.goesOn(tx, id)
    return store.takePositions(tx, { ownerId, id, count, now: now() })
  }

  /** What a reply needs to be made, whoever owns the interaction. */
  async function settingsOf(id: string): Promise<Pick<Interaction, 'prompt' | 'sampling'> | undefined> {
    return store.settingsOf(id)
  }

  /** Keeps one that is not kept for `keptMs` more; its new time. Null for one that is kept. */
  function renew(ownerId: string, id: string, keptMs: number): Promise<number | null> {
    return storage.write(async (tx) => {
      // A post may keep it meanwhile.
      const interaction = await hold(tx, ownerId, id)
      if (interaction.expiresAt === null) return null
      // Always another one: who remembers the old one sees that somebody came.
      const expiresAt = Math.max(now() + keptMs, interaction.expiresAt + 1)
      await store.update(tx, { ...interaction, expiresAt })
      return expiresAt
    })
  }

  /** Has one that is not kept go in `ms`, or when its last answer has ended; false where it is kept. */
  function expireIn(ownerId: string, id: string, ms: number): Promise<boolean> {
    return storage.write((tx) => expiry.expireAt(tx, { ownerId, id, at: now() + ms }))
  }

  /** Removes some of those whose time is over, whoever they belong to; the number of them. */
  function removeExpired(limit: number): Promise<number> {
    return storage.write(async (tx) => {
      const ids = await store.lockExpired(tx, now(), limit)
      for (const id of ids) {
        await onRemove(tx, id)
        await store.remove(tx, id)
        changes.goesOn(tx, id)
      }
      return ids.length
    })
  }

  return {
    create,
    createIn,
    find,
    hold,
    list,
    change,
    renew,
    expireIn,
    remove,
    removeIn,
    removeExpired,
    takePositions,
    keep: store.keep,
    moveTo: store.moveTo,
    settingsOf,
  }
}

function noBranch() {
  return new ParleyError('invalid_request', 'branch is no branch of this interaction', {
    fields: [{ in: 'body', field: 'branch', message: 'is no branch of this interaction' }],
  })
}

/** Who answers, and who else. */
function answering(named: string | string[]): Pick<Interaction, 'model' | 'fallbacks'> {
  const [model = '', ...fallbacks] = [named].flat()
  return { model, fallbacks }
}

/** Null takes a setting back to the model's own. */
function changedSampling(before: Sampling, changes: InteractionSettings['sampling'] = {}): Sampling {
  const merged = { ...before, ...changes }
  return Object.fromEntries(
    Object.entries(merged).filter(([, value]) => value !== null && value !== undefined),
  )
}

function changedPolicy(before: Policy, changes: InteractionSettings['policy']): Policy {
  return {
    onBusy: changes?.onBusy ?? before.onBusy,
    onCrash: changes?.onCrash ?? before.onCrash,
    maxAttempts: changes?.maxAttempts === undefined ? before.maxAttempts : changes.maxAttempts,
  }
}
