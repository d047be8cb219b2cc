import { readFileSync } from 'node:fs'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const server = process.env.HEPTAD_URL ?? 'http://127.0.0.1:8080'

/** Ship the licences of the fonts beside those of the code. */
const fonts: Plugin = {
  name: 'font-licences',
  generateBundle() {
    for (const font of ['inter', 'jetbrains-mono']) {
      const source = readFileSync(`node_modules/@fontsource-variable/${font}/LICENSE`)
      this.emitFile({ type: 'asset', fileName: `licenses-${font}.txt`, source })
    }
  },
}

export default defineConfig({
  plugins: [react(), fonts],
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, license: { fileName: 'licenses.md' } },
  server: { proxy: { '/v1': server, '/health': server, '/docs': server, '/openapi.json': server } },
})
