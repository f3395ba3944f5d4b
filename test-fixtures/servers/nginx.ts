import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { type Server, startServer } from './process.ts'

/** nginx in front of a server on 127.0.0.1, with nothing but its own default limits. */
export function startNginx(upstreamPort: number): Promise<Server> {
  const url = (port: number) => `http://127.0.0.1:${port}`
  return startServer({
    name: 'nginx',
    stopSignal: 'TERM',
    command(dir, port) {
      const file = (name: string) => join(dir, name)
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      writeFileSync(
        file('nginx.conf'),
        `daemon off; master_process off; pid ${file('nginx.pid')}; error_log stderr warn;
events {}
http {
  access_log off;
  ${paths.map(name => `${name}_temp_path ${file(name)};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${upstreamPort}; }
  }
}
`,
      )
      return [binary('nginx'), '-p', dir, '-e', 'stderr', '-c', file('nginx.conf')]
    },
    isReady: (_, port) => accepts(port),
    url,
    env: () => ({}),
  })
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
