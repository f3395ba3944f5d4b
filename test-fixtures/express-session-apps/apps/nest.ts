// The recipe "Passport" of the NestJS documentation, with sessions.
import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  Inject,
  Injectable,
  Module,
  Post,
  Req,
  Res,
  Session,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AuthGuard, PassportModule, PassportSerializer, PassportStrategy } from '@nestjs/passport'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-local'
import { common, serve } from '../serve.mjs'

@Injectable()
class Users {
  find(username: string, password: string) {
    if (username === 'ada' && password === 'enigma') return { id: 1, username }
    throw new UnauthorizedException()
  }
}

@Injectable()
class LocalStrategy extends PassportStrategy(Strategy) {
  users: Users

  constructor(@Inject(Users) users: Users) {
    super()
    this.users = users
  }

  validate(username: string, password: string) {
    return this.users.find(username, password)
  }
}

@Injectable()
class Serializer extends PassportSerializer {
  serializeUser(user: any, done: (error: null, user: any) => void) {
    done(null, user)
  }

  deserializeUser(user: any, done: (error: null, user: any) => void) {
    done(null, user)
  }
}

@Injectable()
class LogInGuard extends AuthGuard('local') {
  override async canActivate(context: ExecutionContext) {
    const result = (await super.canActivate(context)) as boolean
    await super.logIn(context.switchToHttp().getRequest())
    return result
  }
}

@Injectable()
class LoggedInGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    if (!context.switchToHttp().getRequest().isAuthenticated()) throw new ForbiddenException()
    return true
  }
}

@Controller()
class Pages {
  @Get()
  index(@Session() session: any, @Req() req: any) {
    session.views = (session.views ?? 0) + 1
    return { views: session.views, id: req.sessionID, user: req.user }
  }

  @UseGuards(LogInGuard)
  @Post('login')
  logIn(@Req() req: any) {
    return req.user
  }

  @UseGuards(LoggedInGuard)
  @Get('profile')
  profile(@Req() req: any) {
    return req.user
  }

  @Post('cart')
  add(@Session() session: any, @Body('item') item: string) {
    session.cart = [...(session.cart ?? []), item]
    return session.cart
  }

  @Post('logout')
  logOut(@Req() req: any, @Res() res: any) {
    req.logout((error: any) => (error ? res.status(500).send(error.message) : res.redirect('/')))
  }
}

@Module({
  imports: [PassportModule.register({ session: true })],
  providers: [Users, LocalStrategy, Serializer],
  controllers: [Pages],
})
class App {}

await serve(async () => {
  const app = await NestFactory.create(App, { logger: ['error'] })
  app.use(session(common()))
  app.use(passport.initialize())
  app.use(passport.session())
  await app.init()
  return app.getHttpAdapter().getInstance()
})
