// What changed, as the server tells it: pages that show it are read again, and nothing is ever silently old.
import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { key } from './client'
import type { Pulse } from './types'

export type Line = { state: 'live' | 'lost' | 'off'; since: number; pulse?: Pulse }
const AGAIN_MS = 2000
/** Which reads are old once a number has changed. */
const TOUCHES: [keyof Pulse, RegExp][] = [
  ['decisions', /^(decisions|\/v1\/(decisions(\?|$)|overview|apps))/], ['loads', /^\/v1\/(loads|runs|tables|overview|schedule)/],
  ['revisions', /^\/v1\/cases/], ['cases', /^\/v1\/cases/], ['messages', /^\/v1\/outbox/],
]

/** Listen for as long as the page is open; a key goes along, which an EventSource could not send. */
export function useLive(): Line {
  const client = useQueryClient()
  const [line, setLine] = useState<Line>({ state: 'off', since: Date.now() })
  useEffect(() => {
    const end = new AbortController()
    let before: Pulse | undefined, seen = ''
    const listen = async () => {
      while (!end.signal.aborted) {
        try {
          for await (const { id, data } of events(seen, end.signal)) {
            seen = id
            const pulse = JSON.parse(data) as Pulse
            if (before) renew(client, before, pulse)
            before = pulse
            setLine({ state: 'live', since: Date.now(), pulse })
          }
        } catch { /* said below */ }
        if (end.signal.aborted) return
        setLine(l => (l.state === 'lost' ? l : { ...l, state: 'lost', since: Date.now() }))
        await new Promise(done => setTimeout(done, AGAIN_MS))
      }
    }
    void listen()
    return () => end.abort()
  }, [client])
  return line
}

function renew(client: QueryClient, before: Pulse, now: Pulse) {
  for (const [what, reads] of TOUCHES) {
    if (JSON.stringify(before[what]) === JSON.stringify(now[what])) continue
    void client.invalidateQueries({ predicate: q => reads.test(String(q.queryKey[0])) })
  }
}

async function* events(seen: string, signal: AbortSignal): AsyncGenerator<{ id: string; data: string }> {
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`
  if (seen) headers['Last-Event-ID'] = seen
  const answer = await fetch('/v1/events', { headers, signal })
  if (!answer.ok || !answer.body) throw new Error(String(answer.status))
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let rest = ''; ;) {
    const { value, done } = await reader.read()
    if (done) return
    rest += value
    const parts = rest.split('\n\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const fields = new Map(part.split('\n').map(l => l.split(/: ?(.*)/s) as [string, string]))
      if (fields.has('data')) yield { id: fields.get('id') ?? '', data: fields.get('data')! }
    }
  }
}
