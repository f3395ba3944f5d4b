export { hasServer, requireServer, type ServerKind } from './binaries.ts'
export { type MariadbOptions, startMariadb } from './mariadb.ts'
export { startNginx } from './nginx.ts'
export { type PostgresOptions, startPostgres } from './postgres.ts'
export { freePort, type Server } from './process.ts'
export {
  type RedisCluster,
  type RedisClusterOptions,
  type RedisOptions,
  redisCommand,
  startRedis,
  startRedisCluster,
} from './redis.ts'
export { type RedisSentinel, type RedisSentinelOptions, startRedisSentinel } from './redis-sentinel.ts'
