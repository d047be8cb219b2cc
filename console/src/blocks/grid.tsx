// A table of any length: only the rows in view are in the page.
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useLayoutEffect, useRef, type ReactNode } from 'react'
import './grid.css'

type Props = { label: string; names: string[]; right: (name: string) => boolean; count: number; cell: (row: number, name: string) => ReactNode; near?: (last: number) => void }

export default function Grid({ label, names, right, count, cell, near }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({ count, getScrollElement: () => box.current, estimateSize: () => 32, overscan: 12 })
  const shown = virtual.getVirtualItems(), last = shown[shown.length - 1]?.index ?? 0
  useEffect(() => near?.(last), [last, near])
  // A column is never narrower than it was, so that nothing moves sideways while one scrolls.
  useLayoutEffect(() => box.current?.querySelectorAll('th').forEach(th => { th.style.minWidth = `${Math.max(th.offsetWidth, parseInt(th.style.minWidth) || 0)}px` }), [shown[0]?.index])
  const before = shown[0]?.start ?? 0, after = virtual.getTotalSize() - (shown[shown.length - 1]?.end ?? 0)
  return (
    <div className="sheet" ref={box} tabIndex={0} role="group" aria-label={label}>
      <table aria-rowcount={count + 1}>
        <thead><tr aria-rowindex={1}>{names.map(n => <th key={n} className={right(n) ? 'r' : ''}>{n}</th>)}</tr></thead>
        <tbody>
          {before > 0 && <tr className="gap" aria-hidden><td colSpan={names.length} style={{ height: before }} /></tr>}
          {shown.map(item => <tr key={item.key} aria-rowindex={item.index + 2}>{names.map(n => <td key={n} className={right(n) ? 'r' : ''}>{cell(item.index, n)}</td>)}</tr>)}
          {after > 0 && <tr className="gap" aria-hidden><td colSpan={names.length} style={{ height: after }} /></tr>}
        </tbody>
      </table>
    </div>
  )
}
