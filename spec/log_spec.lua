local helper = require "spec.helper"
local libevent = require "libevent"
local logging = require "spec.logging"
local posix = require "spec.posix"

local log = libevent.log

local timeless, last, take = logging.timeless, logging.last, logging.take

--- Counts lines that do not reach the output.
local function dropped_by(fn)
  local before = log.dropped()
  fn()
  return log.dropped() - before
end

describe("log", function()
  before_each(logging.start)
  after_each(logging.stop)

  it("is a module that the facade has", function()
    assert.equal(require "libevent.log", log)
  end)

  it("writes level, message and fields in order", function()
    log.debug "one"
    log.info("two words", { b = 1, a = "x", c = true })
    log.warn("w", {})
    log.error("e", { key = "two words" })
    assert.same({ "DEBUG one", "INFO  two words a=x b=1 c=true", "WARN  w",
      'ERROR e key="two words"' }, (take()))
    log.format "json"
    log.warn("two words", { b = 1, a = "x", c = true })
    assert.equal(
      '{"level":"warn","message":"two words","a":"x","b":1,"c":true}', last())
  end)

  it("writes the time, in UTC and milliseconds", function()
    for _, name in ipairs { "text", "json" } do
      log.format(name)
      log.info "x"
      local line = logging.lines[1]
      local _, records = take()
      local time = records[1].time
      local second, ms = time // 1, math.floor(time % 1 * 1000)
      local text = os.date(name == "text" and "!%Y-%m-%d %H:%M:%S"
        or '!{"time":"%Y-%m-%dT%H:%M:%S', math.tointeger(second))
      assert.equal(("%s.%03d"):format(text, ms), line:sub(1, #text + 4))
    end
  end)

  it("is JSON where the output is no terminal", function()
    log.format "auto"
    log.info "x"
    assert.equal('{"level":"info","message":"x"}', last())
  end)

  it("makes a string of any message and field of any fields", function()
    log.info(nil, 42)
    assert.equal("INFO  nil fields=42", last())
    log.info({}, "x")
    assert.matches("^INFO  table: %g+ fields=x$", last())
    log.info(setmetatable({}, { __tostring = error }), false)
    assert.equal("INFO  (table whose __tostring failed) fields=false", last())
    log.with({ a = 1 }).info(1.5, "x")
    assert.equal("INFO  1.5 a=1 fields=x", last())
    log.info()
    assert.equal("INFO  nil", last())
  end)

  describe("level", function()
    it("is the least that is written", function()
      for i, level in ipairs { "debug", "info", "warn", "error", "off" } do
        log.level(level)
        for k, name in ipairs { "debug", "info", "warn", "error" } do
          log[name] "x"
          log.with({ a = 1 })[name] "x"
          assert.equal(k >= i, log.enabled(name))
        end
        assert.equal(2 * (5 - i), #take())
      end
    end)

    it("returns what it was", function()
      assert.equal("debug", log.level())
      assert.equal("debug", log.level "off")
      assert.equal("off", log.level())
    end)

    it("comes from the environment", function()
      local code = 'local log = require "libevent.log" print(log.level()) '
        .. "log.info 'x'"
      for value, output in pairs { debug = '^debug\n{.*"x"}\n$',
        warn = "^warn\n$", off = "^off\n$", [""] = '^info\n{.*"x"}\n$',
        Warn = '^{"time":"[^"]*","level":"warn","message":"LIBEVENT_LOG_LEVEL '
          .. 'is not understood","value":"Warn"}\ninfo\n{.*"x"}\n$',
      } do
        local got = helper.script("io.stdout:setvbuf 'no'" .. code,
          ("LIBEVENT_LOG_LEVEL='%s'"):format(value))
        assert.matches(output, got)
      end
    end)
  end)

  it("has a format that comes from the environment", function()
    local code = 'local log = require "libevent.log" print(log.format()) '
      .. "log.info 'x'"
    for value, output in pairs { text = "^text\n.* INFO  x\n$",
      json = '^json\n{.*"x"}\n$', [""] = '^auto\n{.*"x"}\n$',
      xml = "^{.*LIBEVENT_LOG_FORMAT is not understood.*}\nauto\n{.*}\n$",
    } do
      local got = helper.script("io.stdout:setvbuf 'no'" .. code,
        ("LIBEVENT_LOG_FORMAT='%s'"):format(value))
      assert.matches(output, got)
    end
  end)

  describe("with", function()
    it("adds fields to each line", function()
      local logger = log.with { a = 1, b = 2 }
      logger.info "m"
      assert.equal("INFO  m a=1 b=2", last())
      logger.warn("m", { b = 3, c = 4 })
      assert.equal("WARN  m a=1 b=3 c=4", last())
      logger.with({ c = 5 }).error "m"
      assert.equal("ERROR m a=1 b=2 c=5", last())
      log.info "m"
      assert.equal("INFO  m", last())
    end)

    it("has a copy of them, and what the module has", function()
      local fields = { a = 1 }
      local logger = log.with(fields)
      fields.a, fields.b = 2, 3
      logger.debug "m"
      assert.equal("DEBUG m a=1", last())
      assert.equal("debug", logger.level "error")
      assert.is_false(logger.enabled "warn")
      logger.warn "m"
      assert.equal(1, #take())
    end)
  end)

  describe("output", function()
    it("is standard error at first, and returns what it was", function()
      local sink = log.output()
      assert.is_function(sink)
      assert.equal(sink, log.output(io.stderr))
      assert.equal(io.stderr, log.output())
    end)

    it("gets each line and what it was made of", function()
      local fields = { a = { 1 }, time = 2 }
      log.info("m", fields)
      local record = logging.records[1]
      assert.same(fields, record.fields)
      assert.are_not.equal(fields, record.fields)
      assert.same({ "info", "m", "float" },
        { record.level, record.message, math.type(record.time) })
    end)

    it("may be a file, which is flushed after each line", function()
      local name = os.tmpname()
      local file <close> = assert(io.open(name, "w"))
      log.format "auto"
      log.output(file)
      for i = 1, 3 do
        log.info("m", { i = i })
        local got = {}
        for line in io.lines(name) do
          got[#got + 1] = timeless(line)
        end
        assert.equal(i, #got)
        assert.equal('{"level":"info","message":"m","i":' .. i .. "}", got[i])
      end
      os.remove(name)
    end)

    local to_stderr = [[
      io.stdout:setvbuf "no"
      local log = require "libevent.log"
      log.format "text"
      %s
      log.info "one"
      log.info "two"
      print(log.dropped())
    ]]

    --- What a process writes to standard error and output.
    local function outcome(code, shell)
      local output = helper.script(to_stderr:format(code), shell)
      local got = {}
      for line in output:gmatch "(.-)\n" do
        got[#got + 1] = timeless(line)
      end
      return got
    end

    it("falls back to standard error, and says so once", function()
      for why, code in pairs {
        ["No space left on device"] = 'log.output(io.open("/dev/full", "w"))',
        ["attempt to use a closed file"] = "local file = io.tmpfile() "
          .. "log.output(file) file:close()",
        ["=oops"] = "log.output(function() error('oops', 0) end)",
        ["in a table"] = "log.output(function() error { 'in a table' } end)",
      } do
        local got = outcome(code)
        assert.matches("WARN  the log goes to standard error error=", got[1], 1,
          true)
        assert.matches(why, got[1], 1, true)
        assert.same({ "INFO  one", "INFO  two", "2" }, { table.unpack(got, 2) })
      end
    end)

    it("does not recurse where the function logs itself", function()
      assert.same({
        'WARN  the log goes to standard error error="logged by the function '
          .. 'that lines go to"',
        "ERROR in one", "one", "ERROR in two", "two", "2",
      }, outcome [[log.output(function(line, record)
        log.error("in " .. record.message)
        print(record.message)
      end)]])
    end)

    it("leaves the looks of a terminal that has gone", function()
      local got = outcome [[
        local _, terminal = require "spec.posix".terminal()
        log.output(terminal)
        terminal:close()
        log.error("m", { traceback = "a\nb" })
      ]]
      assert.equal([[ERROR m traceback="a\nb"]], got[2])
    end)

    it("may be lost with standard error", function()
      assert.same({ "2" }, outcome "require 'spec.posix'.close(2)")
      assert.same({ "2" }, outcome("require 'spec.posix'.close(2) "
        .. "log.output(function() error 'x' end)"))
    end)

    it("may be a function that waits", helper.run(function()
      local order = {}
      log.output(function(_, record)
        libevent.sleep(record.fields.time)
        order[#order + 1] = record.message
      end)
      local tasks = {}
      assert.equal(0, dropped_by(function()
        for i, time in ipairs { 0.003, 0.001 } do
          tasks[i] = libevent.spawn(log.info, "task " .. i, { time = time })
        end
        tasks[1]:wait()
        tasks[2]:wait()
      end))
      table.sort(order)
      assert.same({ "task 1", "task 2" }, order)
    end))

    it("takes lines of callbacks and finalizers", helper.loop(function(base,
        expect)
      local file <close> = io.tmpfile()
      log.output(file)
      base:timer(expect(function()
        log.info "in a timer"
      end)):add(0)
      helper.at_next_allocation(function()
        log.info "in a finalizer"
      end)
      log.info("m", { a = 1, b = {} })
      collectgarbage()
      helper.normal_collector()
      base:loop()
      file:seek "set"
      local seen = {}
      for line in file:lines() do
        seen[#seen + 1] = timeless(line)
      end
      table.sort(seen)
      assert.same({ "INFO  in a finalizer", "INFO  in a timer",
        "INFO  m a=1 b={}" }, seen)
    end))
  end)

  describe("on a terminal", function()
    local master, terminal

    before_each(function()
      master, terminal = posix.terminal()
      log.format "auto"
    end)

    after_each(function()
      log.output(io.stderr)
      terminal:close()
      posix.close(master)
    end)

    --- What a terminal gets that lines go to from now on.
    local function seen(message, fields)
      log.output(terminal)
      log.error(message, fields)
      return timeless(posix.read(master))
    end

    it("is text with colors, unless these are not wanted", function()
      local getenv = os.getenv
      local environment = {}
      finally(function()
        os.getenv = getenv -- luacheck: ignore
      end)
      os.getenv = function(name) -- luacheck: ignore
        return environment[name]
      end
      local colored = "\27[31mERROR\27[0m m a=1\n"
      assert.equal(colored, seen("m", { a = 1 }))
      environment.NO_COLOR = ""
      assert.equal(colored, seen("m", { a = 1 }))
      environment.NO_COLOR = "1"
      assert.equal("ERROR m a=1\n", seen("m", { a = 1 }))
      environment = { TERM = "dumb" }
      assert.equal("ERROR m a=1\n", seen("m", { a = 1 }))
      log.format "json"
      assert.equal('{"level":"error","message":"m"}\n', seen "m")
    end)

    it("has a traceback in lines of their own, each escaped", function()
      local text = seen("m", { z = 1, a = 2,
        traceback = "stack:\n\tone\27[2J\n\n\t\ttwo\r\u{2028}\xff" })
      assert.matches("m a=2 z=1\n", text, 1, true)
      assert.equal("\n    stack:\n        one\\x1b[2J\n    \n            "
        .. [[two\r\u{2028}\xff]] .. "\n", text:match "\n.*$")
    end)
  end)

  describe("capture", function()
    after_each(function()
      libevent.set_log_callback()
    end)

    it("takes libevent's own lines", helper.loop(function(base)
      assert.equal(0, select("#", log.capture()))
      log.capture()
      local name = os.tmpname()
      local fd = posix.open(name)
      local event = base:event(fd, "r", print)
      assert.is_nil((event:add()))
      event:close()
      base:loop()
      posix.close(fd)
      os.remove(name)
      assert.equal(1, #logging.lines)
      assert.matches("^WARN  .*Operation not permitted source=libevent$",
        last())
    end))
  end)

  it("refuses bad arguments of what sets it up", function()
    local function refuses(name, signature)
      helper.badargs(function(_, ...)
        return log[name](...)
      end, nil, signature)
    end
    refuses("level", "?level")
    refuses("enabled", "level")
    refuses("format", "?format")
    refuses("limit", "?integer, ?seconds")
    refuses("with", "table")
    helper.badargs(function(_, ...)
      return log.with({}).with(...)
    end, nil, "table")
    local closed = io.tmpfile()
    closed:close()
    for _, bad in ipairs { closed, "x", {}, true, 2 } do
      local ok, message = pcall(function()
        log.output(bad)
      end)
      assert.is_false(ok)
      assert.matches("^spec/log_spec.lua:%d+: bad argument #1 to 'output' %(",
        message)
    end
    assert.error_matches(function()
      log.enabled "off"
    end, "bad argument #1 to 'enabled' %(unknown level 'off'%)")
    log.info "m"
    assert.equal("INFO  m", last())
  end)
end)
