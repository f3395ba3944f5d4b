import { sessions } from '@sess/test-fixtures/runtime-sessions.ts'
import { probeApp } from '../probe-app.ts'

export const app = probeApp(sessions)
