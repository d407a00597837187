local helper = require "spec.helper"
local libevent = require "libevent"
local logging = require "spec.logging"
local posix = require "spec.posix"

local log, last, take = libevent.log, logging.last, logging.take

describe("the limit of the log", function()
  before_each(logging.start)
  after_each(logging.stop)

  it("counts lines that repeat, and tells by flush", function()
    log.limit(2, 1e9)
    for i = 1, 5 do
      log.warn("m", { i = i })
      log.info "m"
      log.with({ i = i }).warn "n"
    end
    assert.same({ "WARN  m i=1", "INFO  m", "WARN  n i=1", "WARN  m i=2",
      "INFO  m", "WARN  n i=2" }, (take()))
    log.flush()
    assert.same({ "WARN  m (repeated 3 more times) repeated=3",
      "INFO  m (repeated 3 more times) repeated=3",
      "WARN  n (repeated 3 more times) repeated=3" }, (take()))
    log.flush()
    log.info "m"
    assert.same({}, (take()))
    log.flush()
    assert.same({ "INFO  m (repeated 1 more times) repeated=1" }, (take()))
  end)

  it("tells at the next line when the time is over", function()
    local time = 0.02
    log.limit(1, time)
    log.info "first"
    local n = 0
    repeat
      log.info "m"
      n = n + 1
    until #logging.lines < n + 1
    posix.spin(time)
    take()
    log.error "next"
    assert.same({ "INFO  m (repeated 1 more times) repeated=1",
      "ERROR next" }, (take()))
    log.info "m"
    assert.equal("INFO  m", last())
  end)

  it("loses no count", function()
    log.limit(3, 0.0005)
    local n = helper.stress and 2000 or 20000
    for i = 1, n do
      log.info("m" .. i % 7)
    end
    log.flush()
    local sum = 0
    for _, record in ipairs(logging.records) do
      sum = sum + (record.fields.repeated or 1)
    end
    assert.equal(n, sum)
  end)

  it("needs bounded memory, and loses no count for that", function()
    log.limit(1, 1e9)
    local written, told = 0, 0
    log.output(function(_, record)
      written = written + 1
      told = told + (record.fields.repeated or 0)
    end)
    local long = ("x"):rep(100000)
    local function lines_of(from, n)
      for i = from, from + n do
        log.info(i .. long)
        log.info(i .. long)
      end
    end
    lines_of(1, 500)
    collectgarbage()
    local before = collectgarbage "count"
    lines_of(1000, 500)
    log.flush()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 500)
    assert.equal(1002, told)
    assert.equal(2004, written)
  end)

  it("tells messages apart by their beginning", function()
    log.limit(1, 1e9)
    local long = ("x"):rep(1024)
    log.info(long .. "a")
    log.info(long .. "b")
    log.info(long:sub(2))
    assert.equal(2, #logging.lines)
    log.flush()
    assert.equal("INFO  " .. long .. "… (repeated 1 more times) repeated=1",
      last())
  end)

  it("is off with 0, and returns what it was", function()
    assert.same({ 0, 1 }, { log.limit() })
    assert.same({ 0, 1 }, { log.limit(1, 1e9) })
    log.info "m"
    log.info "m"
    assert.same({ 1, 1e9 }, { log.limit(0) })
    assert.equal(2, #logging.lines)
    for _ = 1, 100 do
      log.info "m"
    end
    assert.equal(102, #logging.lines)
    assert.same({ 0, 1e9 }, { log.limit(nil, 1) })
    assert.same({ 0, 1 }, { log.limit() })
  end)

  it("tells nothing of a level that is not written any more", function()
    log.limit(1, 1e9)
    log.info "m"
    log.info "m"
    log.level "warn"
    log.flush()
    assert.equal(1, #logging.lines)
  end)

  it("is 10 a second at first, and told at the end", function()
    local output = helper.script [[
      local log = require "libevent".log
      log.format "text"
      log.limit(nil, 1e9)
      for i = 1, 15 do log.info "m" end
    ]]
    local _, n = output:gsub("INFO  m\n", "")
    assert.equal(10, n)
    assert.matches("INFO  m %(repeated 5 more times%) repeated=5\n$", output)
  end)
end)
