import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.HEPTAD_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { '/v1': server, '/health': server, '/docs': server, '/openapi.json': server } },
})
