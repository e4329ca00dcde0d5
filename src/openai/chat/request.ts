import type { FieldError } from '../../errors.ts'
import { type ContentPart, partsOf } from '../../messages/content.ts'
import type { ReplyOptions } from '../../replies/options.ts'
import type { NewMessage } from '../../replies/post.ts'
import { impossibleChoice } from '../../replies/tools.ts'
import { contradictionsInCalls } from './calls.ts'
import type { ChatInput, ChatMessage } from './schemas.ts'

/** What a request says, as the messages of an interaction. */
export function saidIn({ messages }: ChatInput): NewMessage[] {
  return messages.map((message) => toMessage(message))
}

/** How it is to be answered. All that was said goes to the model, or none of it. */
export function optionsOf(body: ChatInput): ReplyOptions {
  const options = {
    truncation: 'disabled' as const,
    sampling: withoutNull({
      temperature: body.temperature,
      top_p: body.top_p,
      max_output_tokens: body.max_completion_tokens ?? body.max_tokens,
      stop: body.stop,
      seed: body.seed,
      presence_penalty: body.presence_penalty,
      frequency_penalty: body.frequency_penalty,
    }),
    tools: body.tools,
    toolChoice: body.tool_choice,
    parallelToolCalls: body.parallel_tool_calls,
    responseFormat: body.response_format,
    reasoning: body.reasoning_effort ? { effort: body.reasoning_effort } : undefined,
  }
  return withoutNull(options)
}

/** What is wrong with a request whose fields are right each by itself. */
export function contradictionsIn(body: ChatInput): FieldError[] {
  const wrong: FieldError[] = []
  const tell = (field: string, message: string) => wrong.push({ in: 'body', field, message })
  const impossible = impossibleChoice(body.tool_choice ?? undefined, body.tools ?? [])
  if (impossible) tell('tool_choice', impossible)
  if (body.stream_options && !body.stream) tell('stream_options', 'is only for a stream')
  if (isSet(body.max_tokens) && isSet(body.max_completion_tokens)) {
    tell('max_tokens', 'stands for the same as `max_completion_tokens`')
  }
  // Empty messages are not sent, and thoughts are nothing to answer.
  if (saidIn(body).every(({ content }) => partsOf(content).every(({ type }) => type === 'reasoning'))) {
    tell('messages', 'say nothing')
  }
  return [...wrong, ...contradictionsInCalls(body.messages)]
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined
}

function toMessage(message: ChatMessage): NewMessage {
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'System', content: textParts(message.content) }
    case 'user':
      return { role: 'Human', content: userParts(message.content) }
    case 'assistant':
      return { role: 'AI', content: assistantParts(message) }
    case 'tool':
      return {
        role: 'Tool',
        content: [
          {
            type: 'tool_result',
            call_id: message.tool_call_id,
            output: textParts(message.content)
              .map(({ text }) => text)
              .join(''),
          },
        ],
      }
  }
}

type Said<Role extends ChatMessage['role']> = Extract<ChatMessage, { role: Role }>

/** Without what is empty: it says nothing, and many providers refuse it. */
function textParts(content: Said<'tool'>['content']) {
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
  return parts.filter(({ text }) => text !== '')
}

function userParts(content: Said<'user'>['content']): ContentPart[] {
  if (typeof content === 'string') return textParts(content)
  return content.flatMap((part): ContentPart[] => {
    switch (part.type) {
      case 'text':
        return textParts([part])
      case 'image_url':
        return [{ type: 'image', ...part.image_url }]
      case 'file': {
        const { file_data: url, filename } = part.file
        return [{ type: 'file', url, ...(filename !== undefined && { filename }) }]
      }
    }
  })
}

function assistantParts(message: Said<'assistant'>): ContentPart[] {
  const { content, refusal, reasoning_content: reasoning, tool_calls: calls } = message
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : (content ?? [])
  return [
    ...(reasoning ? [{ type: 'reasoning' as const, text: reasoning }] : []),
    ...parts.flatMap((part): ContentPart[] =>
      part.type === 'text' ? textParts([part]) : refusalParts(part.refusal),
    ),
    ...refusalParts(refusal),
    ...(calls ?? []).map(({ id, function: { name, arguments: args } }) => ({
      type: 'tool_call' as const,
      call_id: id,
      name,
      arguments: args,
    })),
  ]
}

function refusalParts(refusal: string | null | undefined): ContentPart[] {
  return refusal ? [{ type: 'refusal', text: refusal }] : []
}

type WithoutNull<Fields> = { [Name in keyof Fields]?: NonNullable<Fields[Name]> }

function withoutNull<Fields extends object>(fields: Fields): WithoutNull<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  ) as WithoutNull<Fields>
}
