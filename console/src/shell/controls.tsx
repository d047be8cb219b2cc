// The two controls of the top bar that change what every page reads: the instant and the purpose.
import { Popover } from '@base-ui/react/popover'
import { useNavigate } from '@tanstack/react-router'
import { Check } from 'lucide-react'
import { useState, type RefObject } from 'react'
import { useCircumstances } from '../api/client'
import type { Session } from '../api/types'
import { said, t } from '../i18n'
import '../design/floating.css'

type Props = { what: 'as_of' | 'purpose'; close: () => void; anchor: RefObject<HTMLButtonElement | null>; purposes: Session['purposes'] }

export default function Controls({ what, close, anchor, purposes }: Props) {
  const go = useNavigate()
  const set = (values: Record<string, string | undefined>) => { close(); void go({ to: '.', search: (before: Search) => ({ ...before, ...values }), replace: true }) }
  return (
    <Popover.Root open onOpenChange={open => { if (!open) close() }}>
      <Popover.Portal>
        <Popover.Positioner anchor={anchor} sideOffset={6} align="end" style={{ zIndex: 31 }}>
          <Popover.Popup className="float" finalFocus={anchor}>
            {what === 'as_of' ? <Instant set={at => set({ as_of: at })} /> : <Purposes purposes={purposes} set={name => set({ purpose: name })} />}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}

function Instant({ set }: { set: (at?: string) => void }) {
  const { as_of } = useCircumstances()
  const [text, setText] = useState((as_of ?? '').slice(0, 16))
  return (
    <form onSubmit={e => { e.preventDefault(); set(text ? `${text}:00Z` : undefined) }}>
      <Popover.Title render={<h2 />}>{t('Read as of an instant')}</Popover.Title>
      <Popover.Description className="cap ink3">{t('Every page shows what had happened and was known by then.')}</Popover.Description>
      <label><span className="cap ink3">{t('Instant, UTC')}</span><input className="field num" type="datetime-local" value={text} onChange={e => setText(e.target.value)} /></label>
      <div className="row end"><button type="button" className="btn" onClick={() => set(undefined)}>{t('Now')}</button><button className="btn primary" type="submit">{t('Read')}</button></div>
    </form>
  )
}

function Purposes({ purposes, set }: { purposes: Session['purposes']; set: (name?: string) => void }) {
  const { purpose } = useCircumstances()
  const all = [{ name: '', sentence: t('Personal values are masked.') }, ...purposes]
  return (
    <div>
      <Popover.Title className="vh">{t('State a purpose')}</Popover.Title>
      {all.map(p => (
        <button key={p.name} className="item" aria-pressed={p.name === (purpose ?? '')} onClick={() => set(p.name || undefined)}>
          <Check size={14} aria-hidden style={{ flex: 'none', marginTop: 3, visibility: p.name === (purpose ?? '') ? 'visible' : 'hidden' }} />
          <span><span className="strong">{p.name ? said(p.name) : t('none')}</span><span className="cap">{said(p.sentence)}</span></span>
        </button>
      ))}
    </div>
  )
}
