import { z } from 'zod'
import { wholeNumber } from '../http/parameters.ts'
import { metadataSchema, onBusySchema, roleSchema } from '../interactions/schemas.ts'
import type { Role } from '../interactions/interaction.ts'
import { inputContent, misplacedParts } from '../messages/content.ts'
import { messageSchema } from '../messages/schemas.ts'
import { plainText } from '../text.ts'
import { reasoningEfforts, type ReplyOptions } from './options.ts'
import { responseFormat } from './response-format.ts'
import { functionTools, impossibleChoice, toolChoice } from './tools.ts'

const maxWaitMs = 120_000

/** Whom a model answers; what the others say is only stored. */
export const answeredRoles: ReadonlySet<Role> = new Set(['Human', 'Tool'])

/** `POST /v1/interactions/{id}/messages` */
export const messageInput = z
  .strictObject({
    content: inputContent,
    role: roleSchema.default('Human').meta({
      description: 'Who said it. A model answers a Human and a Tool; what the others say is only stored.',
    }),
    model: plainText({ min: 1, max: 256 })
      .optional()
      .meta({ description: "Instead of the interaction's own.", examples: ['builtin/eliza'] }),
    tools: functionTools.optional().meta({ description: 'What the model may ask you to call.' }),
    tool_choice: toolChoice
      .optional()
      .meta({ description: 'Whether it calls them: `auto`, `none`, `required`, or the one that is named.' }),
    parallel_tool_calls: z.boolean().optional().meta({ description: 'One answer may call several tools.' }),
    response_format: responseFormat.optional(),
    reasoning_effort: z
      .enum(reasoningEfforts)
      .optional()
      .meta({ description: 'How much the model thinks first, where it can.' }),
    on_busy: onBusySchema.optional().meta({ description: "Instead of the interaction's own." }),
    stream: z.boolean().default(false).meta({ description: "Answer with the reply's events (SSE)." }),
    wait_ms: z
      .int()
      .min(0)
      .max(maxWaitMs)
      .default(0)
      .meta({ description: 'Wait at most so long for the reply to end.' }),
    metadata: metadataSchema.optional(),
  })
  .superRefine(({ role, content, tools, tool_choice: choice }, { addIssue }) => {
    const wrong = misplacedParts(role, content)
    const impossible = impossibleChoice(choice, tools)
    if (impossible) wrong.push({ path: 'tool_choice', message: impossible })
    for (const { path, message } of wrong) addIssue({ code: 'custom', path: path.split('.'), message })
  })

/** What the reply to a message is asked beyond its interaction. */
export function optionsOf(input: z.infer<typeof messageInput>): ReplyOptions {
  return {
    tools: input.tools,
    toolChoice: input.tool_choice,
    parallelToolCalls: input.parallel_tool_calls,
    responseFormat: input.response_format,
    reasoning: input.reasoning_effort && { effort: input.reasoning_effort },
  }
}

export const postedSchema = z
  .object({
    message: messageSchema,
    reply: messageSchema.nullable().meta({
      description: 'The answer in the making; follow it at `/v1/messages/{reply.id}/events`.',
    }),
  })
  .meta({ id: 'Posted' })

/** `GET /v1/messages/{id}/events` */
export const eventsQuery = z.strictObject({
  after: wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'Only the events behind this id, as `Last-Event-ID`.' }),
})

export const eventsHeaders = z.looseObject({
  'last-event-id': wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'The id of the last event that was received; stands above `after`.' }),
})
