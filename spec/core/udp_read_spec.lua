local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

local EMSGSIZE, ECANCELED = 90, 125

--- A socket on a port that the system chooses, and its address.
local function bound(base, options, host)
  local udp = assert(base:udp((host or "127.0.0.1") .. ":0", options))
  return udp, udp:getsockname()
end

describe("a batch of datagrams", function()
  it("comes as one list", run(function(base)
    local one <close>, here = bound(base)
    local other <close>, there = bound(base)
    assert.equal(3, other:sendbatch { "a", here, "", here, "ccc", here })
    local list, n = one:recvbatch(10, 10)
    assert.same({ { "a", there, "", there, "ccc", there }, 3 }, { list, n })
    assert.equal(3, one:sendbatch(list))
    list, n = other:recvbatch(2, 10)
    assert.same({ { "a", here, "", here }, 2 }, { list, n })
    list, n = other:recvbatch(2, 10)
    assert.same({ { "ccc", here }, 1 }, { list, n })
  end))

  it("waits for the first", run(function(base)
    local one <close>, here = bound(base)
    local got
    local task = spawn(function()
      got = table.pack(one:recvbatch(64))
    end)
    sleep(0)
    one:sendbatch { "x", here, "y", here }
    task:wait(10)
    assert.same({ { "x", here, "y", here }, 2, n = 2 }, got)
  end))

  it("may be longer than one call takes", run(function(base)
    local one <close>, here = bound(base, { rcvbuf = 1000000 })
    local list = {}
    for i = 1, 200 do
      list[2 * i - 1], list[2 * i] = tostring(i), here
    end
    assert.equal(200, one:sendbatch(list))
    local got = {}
    while #got < #list do
      local some, n = assert(one:recvbatch(1000, 10))
      assert.is_true(n <= 64)
      table.move(some, 1, 2 * n, #got + 1, got)
    end
    assert.same(list, got)
  end))

  it("goes to the peer of a connected socket", run(function(base)
    local one <close>, here = bound(base)
    local other <close> = assert(base:udp())
    other:connect(here)
    assert.equal(2, other:sendbatch { "x", false, "y", false })
    assert.equal("x", (one:recvfrom(10)))
    assert.equal("y", (one:recvfrom(10)))
    assert.equal(0, other:sendbatch {})
  end))

  it("ends where one cannot be sent", run(function(base)
    local one <close>, here = bound(base)
    local long = ("x"):rep(65508)
    assert.same({ 1, "sendbatch: Message too long", EMSGSIZE },
      { one:sendbatch { "x", here, long, here, "y", here } })
    assert.same({ nil, "sendbatch: Message too long", EMSGSIZE },
      { one:sendbatch { long, here, "y", here } })
    assert.equal("x", (one:recvfrom(10)))
    assert.is_nil((one:recvfrom(0)))
  end))

  it("sends nothing of a list that is wrong", run(function(base)
    local one <close>, here = bound(base)
    for message, list in pairs {
      ["data and address in turn expected"] = { "x", here, "y" },
      ["item 3: string expected"] = { "x", here, 1, here },
      ["item 4: address or false expected"] = { "x", here, "y", true },
      ["item 4: names are not looked up"] = { "x", here, "y", "localhost:1" },
    } do
      local ok, got = pcall(one.sendbatch, one, list)
      assert.is_false(ok)
      assert.matches(message, got, 1, true)
    end
    assert.is_nil((one:recvfrom(0)))
  end))
end)

describe("a flood of datagrams", function()
  it("lets others run", run(function(base)
    local one <close>, here = bound(base, { rcvbuf = 1000000 })
    local ticks, received = 0, 0
    local other = spawn(function()
      while true do
        ticks = ticks + 1
        sleep(0)
      end
    end)
    for _ = 1, 10 do
      one:sendbatch { "a", here, "b", here }
    end
    for _ = 1, 1000 do -- there is always one more
      one:sendto("x", here)
      assert(one:recvfrom(10))
      received = received + 1
    end
    assert.equal(1000, received)
    assert.is_true(ticks >= 1000 // 64)
    other:cancel()
  end))

  it("is for the one that lets others run, and none of them", run(
    function(base)
    local one <close>, here = bound(base)
    for _, receive in ipairs { "recvfrom", "recvbatch" } do
      local received, others = 0, 0
      local first = spawn(function()
        for _ = 1, 200 do -- it waits for none of them
          one:sendto("x", here)
          assert.equal("x", receive == "recvfrom" and one:recvfrom(10)
            or one:recvbatch(1, 10)[1])
          received = received + 1
        end
      end)
      first:name "first"
      local second = spawn(function()
        while received < 200 do
          for _, call in ipairs { one.recvfrom, one.recvbatch, one.setcb } do
            local ok, message = pcall(call, one, call == one.recvfrom and 10
              or call == one.recvbatch and 1 or { read = print })
            assert.is_false(ok)
            assert.matches("a task waits for this input already: first",
              message, 1, true)
            others = others + 1
          end
          sleep(0)
        end
      end)
      assert.is_nil(select(2, first:wait(10)))
      assert.is_nil(select(2, second:wait(10)))
      assert.is_true(others >= 3 * (200 // 64))
      assert.is_nil((one:recvfrom(0)))
    end
  end))

  it("is for others once the one that let them run is gone", run(
    function(base)
    for _, how in ipairs { "cancel", "close", "coroutine.close" } do
      local one <close>, here = bound(base)
      local co
      local first = spawn(function()
        co = coroutine.running()
        while true do
          one:sendto("x", here)
          one:recvfrom()
        end
      end)
      sleep(0)
      if how == "coroutine.close" then
        assert.is_true(coroutine.close(co))
      else
        first[how](first, how == "close" and "now" or nil)
      end
      if how == "cancel" then -- it goes on until the next wait
        first:wait(10)
      end
      assert.equal("x", (one:recvfrom(10)))
      for _ = 1, 100 do
        one:sendto("y", here)
        assert.equal("y", (one:recvfrom(10)))
      end
    end
  end))

  it("ends where the socket is closed meanwhile", run(function(base)
    local one, here = bound(base)
    local first = spawn(function()
      while true do
        one:sendto("x", here)
        local data, message, code = one:recvfrom()
        if not data then
          return message, code
        end
      end
    end)
    sleep(0)
    one:close()
    assert.same({ "closed", ECANCELED }, { first:wait(10) })
  end))

  it("can be canceled", run(function(base)
    local one <close>, here = bound(base)
    local task = spawn(function()
      while true do
        one:sendto("x", here)
        one:recvfrom()
      end
    end)
    sleep(0)
    task:cancel()
    assert.same({ nil, "canceled", ECANCELED }, { task:wait(10) })
  end))
end)
