import type { ContentPart } from '../../../messages/content.ts'
import type { Message } from '../../../messages/message.ts'
import { openAiId } from '../../ids.ts'
import { toolCallsIn } from '../completion.ts'
import type { StoredMessage } from './schemas.ts'

const roles = { System: 'system', Human: 'user', AI: 'assistant', Tool: 'tool' } as const

/** A message of a completion's request, as it was sent. */
export function storedMessageOf({ id, role, content }: Message): StoredMessage {
  const calls = toolCallsIn(content)
  const result = content.find((part) => part.type === 'tool_result')
  const refusal = content.map((part) => (part.type === 'refusal' ? part.text : '')).join('')
  const parts = content.flatMap((part) => chatPart(part))
  const isText = parts.every(({ type }) => type === 'text')
  const text = result ? textOfResult(result.output) : parts.map((part) => part['text'] ?? '').join('')
  return {
    id: openAiId('msg_', id),
    role: roles[role],
    content: isText && (text !== '' || (calls.length === 0 && refusal === '')) ? text : null,
    content_parts: isText ? null : parts,
    refusal: refusal || null,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(result && { tool_call_id: result.call_id }),
  }
}

/** Undefined for what a chat message has outside of its content. */
function chatPart(part: ContentPart): Array<{ type: string; text?: string; [field: string]: unknown }> {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'image': {
      const { url, detail } = part
      return [{ type: 'image_url', image_url: { url, ...(detail && { detail }) } }]
    }
    case 'file': {
      const { url, filename } = part
      return [{ type: 'file', file: { file_data: url, ...(filename !== undefined && { filename }) } }]
    }
    default:
      return []
  }
}

function textOfResult(output: Extract<ContentPart, { type: 'tool_result' }>['output']): string {
  if (typeof output === 'string') return output
  return output.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
