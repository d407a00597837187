-- evrun top of a service. For that of other processes see evrun_attach_spec.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local services = require "spec.services"
local top_service = require "libevent.evrun.top_service"

local run, app = helper.run, services.app
local ask, start = services.ask, services.start

--- The cells of each worker of a screen, by the titles of the columns.
local function cells(screen)
  local lines, list, titles = {}, {}, {}
  for line in screen:gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  for i = 3, #lines do
    local n = 0
    local row = i > 3 and {} or titles
    for cell in (lines[i] .. "  "):gsub("  +", "\0"):gmatch "([^%z]+)%z" do
      n = n + 1
      row[i > 3 and titles[n] or n] = cell
    end
    list[i - 3] = row
  end
  return list, titles
end

--- A sample of a service, as the monitor makes it.
local function sample(time, ...)
  return { time = time, service = {
    name = "app", pid = 1, state = "running", age = time, reloads = 0,
    workers = { ... },
  } }
end

--- A worker in that.
local function worker(number, pid, age, n, fields)
  local one = {
    worker = number, pid = pid, age = age, state = "ready", deaths = 0,
    leaving = 0, addresses = {}, counted = 0, cpu = age / 10,
    counters = n and { accepts = n, bytes_read = 1024 * n,
      bytes_written = 2048 * n, connections = 1, errors = 2, tasks = 3,
      lua = 4096, late = 0.002 },
  }
  for name, value in pairs(fields or {}) do
    one[name] = value
  end
  return one
end

describe("evrun top", function()
  it("shows the workers of a service", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local before = service:ready()
    local over = false
    local traffic = libevent.spawn(function()
      while not over do
        ask(before.workers[1].addresses[1], "hello")
      end
    end)
    local output, code = service:evrun "top --once --interval 2.5 app"
    assert.equal(0, code, output)
    assert.matches("^app %(process " .. service.pid .. "%)  running  up %d+s  "
      .. "reloads 0  deaths 0\nconnections %d+  accepts %S+/s  read %S+ %a+/s  "
      .. "written %S+ %a+/s  errors 0\n\nWORKER  STATE +PID +AGE +DEATHS +"
      .. "CONNECTIONS +TASKS +ACCEPTS/S +READ/S +WRITTEN/S +ERRORS +CPU +"
      .. "RESIDENT +LUA +LATE +LAST DEATH\n     1  ready  ", output)
    local list, titles = cells(output)
    assert.equal(16, #titles)
    assert.equal(2, #list)
    for i, each in ipairs(list) do
      assert.equal(tostring(i), (each.WORKER:gsub(" ", "")))
      assert.equal(before.workers[i].pid, tonumber(each.PID))
      assert.matches("^[%d.]+k?$", each["ACCEPTS/S"])
      assert.matches("^[%d.]+ %a+$", each["READ/S"])
      assert.matches("^[%d.]+ %a+$", each["WRITTEN/S"])
      assert.matches("^%d+ %%$", each.CPU)
      assert.matches("^[%d.]+ MiB$", each.RESIDENT)
      assert.matches("^[%d.]+ KiB$", each.LUA)
      assert.matches("^[%d.]+ m?s$", each.LATE)
      assert.equal("-", each["LAST DEATH"])
    end
    assert.not_equal("accepts 0/s", (output:match "accepts %S+"))
    over = true
    traffic:wait()
    local status = service:evrun "ctl --json app status"
    assert.is_nil(status:match '"cpu"')
    assert.is_nil(status:match '"resident"')
    service:stop()
  end))

  it("shows one screen after the other, and deaths", run(function()
    local service <close> = start(app, "--workers 1 --listen 127.0.0.1:0")
    local address = service:ready().workers[1].addresses[1]
    ask(address, "exit")
    service:await "a worker died"
    service:settle()
    local output = service:evrun "top --interval=0.05 app | head -n 12"
    assert.is_true(select(2, output:gsub("app %(process", "")) >= 2)
    assert.matches("  deaths 1\n", output)
    assert.matches("  exit status 3\n", output)
    service:stop()
  end))

  it("shows a service whose workers do not start", run(function()
    local service <close> = start("error 'no way'", "--workers 1 --listen "
      .. "127.0.0.1:0")
    service:await "a worker is in a crash loop"
    local output, code = service:evrun "top --once --interval=0.05 app"
    assert.equal(0, code, output)
    assert.matches("\nconnections %-  accepts %-/s  read %-/s  written %-/s  "
      .. "errors %-\n", output)
    assert.matches("\n     1  crash%-loop %(%d+%.%d s%)  +%-  +%-  +5"
      .. ("  +%-"):rep(10) .. "  exit status 1\n$", output)
    service:stop(1)
  end))

  it("shows a worker by itself as any process", run(function()
    local service <close> = start(app, "--workers 1 --listen 127.0.0.1:0")
    local pid = service:ready().workers[1].pid
    local output
    repeat -- it can be looked into soon after it is ready
      output = service:evrun "top --once --interval=0.05 app-1"
    until not output:find "no process is called"
    assert.matches("^app%-1 %(process " .. pid .. "%)", output)
    assert.matches("\nTASKS  NAME", output)
    posix.kill(service.pid, 15)
    service:wait()
  end))
end)

describe("a screen of a service", function()
  local function rates(screen, i)
    local row = cells(screen)[i]
    return { row["ACCEPTS/S"], row["READ/S"], row["WRITTEN/S"], row.CPU }
  end

  it("has rates over the time between two reports", function()
    local top = top_service.new()
    top:note(sample(100, worker(1, 7, 50, 10, { counted = 0.9 })))
    assert.same({ "-", "-", "-", "-" }, rates(top:screen(9), 1))
    top:note(sample(100.5, worker(1, 7, 50.5, 10, { counted = 1.4 })))
    assert.same({ "-", "-", "-", "10 %" }, rates(top:screen(9), 1))
    top:note(sample(101, worker(1, 7, 51, 30, { counted = 0.9 })))
    assert.same({ "20", "20.0 KiB", "40.0 KiB", "10 %" },
      rates(top:screen(9), 1))
    assert.matches("\nconnections 1  accepts 20/s  read 20.0 KiB/s  "
      .. "written 40.0 KiB/s  errors 2\n", top:screen(9))
  end)

  it("lets a new process begin at 0", function()
    local top = top_service.new()
    top:note(sample(100, worker(1, 7, 50, 1000)))
    top:note(sample(101, worker(1, 8, 0.5, 20)))
    assert.same({ "40", "40.0 KiB", "80.0 KiB", "10 %" },
      rates(top:screen(9), 1))
    top:note(sample(102, { worker = 1, state = "waiting", deaths = 1,
      leaving = 0, addresses = {}, next_attempt = 2.5 }))
    assert.matches("\n     1  waiting %(2.5 s%)  ", top:screen(9))
    top:note(sample(103, worker(1, 9, 0.5), worker(2, 10, 0.5, 5)))
    assert.same({ "-", "-", "-", "10 %" }, rates(top:screen(9), 1))
    assert.same({ "10", "10.0 KiB", "20.0 KiB", "10 %" },
      rates(top:screen(9), 2))
  end)

  it("does not know what a worker does that is silent", function()
    local top = top_service.new()
    top:note(sample(100, worker(1, 7, 50, 10)))
    top:note(sample(101, worker(1, 7, 51, 20)))
    assert.equal("10", rates(top:screen(9), 1)[1])
    top:note(sample(103, worker(1, 7, 53, 20, { counted = 2 })))
    assert.equal("10", rates(top:screen(9), 1)[1])
    top:note(sample(105, worker(1, 7, 55, 20, { counted = 4,
      state = "hung" })))
    assert.equal("-", rates(top:screen(9), 1)[1])
  end)

  it("shows programs that count something else, or nothing", function()
    local top = top_service.new()
    for i = 1, 2 do
      top:note(sample(100 + i, worker(1, 7, 50 + i, nil, { counters = {
        jobs = i } }), worker(2, 8, 50 + i)))
    end
    local list = cells(top:screen(9))
    for i = 1, 2 do
      assert.same({ "-", "-", "-", "10 %" }, rates(top:screen(9), i))
      assert.equal("-", list[i].CONNECTIONS)
    end
    top:note(sample(103, worker(1, 7, 53), worker(2, 8, 53, 53)))
    assert.same({ "1", "1.0 KiB", "2.0 KiB", "10 %" },
      rates(top:screen(9), 2))
  end)

  it("has no more workers than fit, and counts the others", function()
    local top, list = top_service.new(), {}
    for i = 1, 20 do
      list[i] = worker(i, i, 50, 1, { deaths = i })
    end
    top:note(sample(100, table.unpack(list)))
    local screen = top:screen(15)
    assert.equal(15, #cells(screen) - 1)
    assert.matches("\n… and 5 workers more\n$", screen)
    assert.matches("  deaths 210\nconnections 20  ", screen)
    assert.is_nil(top:screen(20):match "more")
  end)
end)
