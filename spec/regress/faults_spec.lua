local helper = require "spec.helper"

--- Runs Lua code in a process of its own in which system calls fail; returns
-- what it prints, and how it ended.
local function under(faults, code)
  return helper.script(code, ("FAULTS='%s' LD_PRELOAD='%s/spec/faults.so %s' "
    .. "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0"):format(faults,
    helper.build, os.getenv "LD_PRELOAD" or ""))
end

--- As `under`; the code must print `output` alone and end with status 0.
local function prints(output, faults, code)
  local got, how, number = under(faults, code)
  assert.same({ output, "exit", 0 }, { got, how, number })
end

describe("where system calls fail", function()
  it("a loop that cannot wait ends run with an error", function()
    for _, which in ipairs { "1", "1-", "3-" } do
      prints("false\tloop: Bad file descriptor\n",
        "epoll_wait:EBADF@" .. which, [[
        local libevent = require "libevent"
        print(pcall(libevent.run, function()
          for _ = 1, 10 do
            libevent.sleep(0.01)
          end
        end))
      ]])
    end
  end)

  it("timers that cannot be watched do not wake the loop for ever", function()
    prints("due true\n", "epoll_ctl:ENOSPC@*", [[
      local libevent = require "libevent"
      local base = libevent.event_base()
      libevent.set_log_callback(function() end)
      base:timer(function() end):add(0.01)
      base:timer(function() io.write "due " end):add(0.3)
      base:loop()
      print(base:counters().callbacks < 30)
    ]])
  end)

  it("a bufferevent has enabled what libevent watches", function()
    local code = [[
      local libevent = require "libevent"
      libevent.set_log_callback(function() end)
      local base = libevent.event_base()
      local one, other = libevent.socketpair()
      local bev = base:bufferevent(one)
      bev:setcb { read = print, event = print }
      local late = base:bufferevent()
      late:setcb { event = print }
      late:enable "r"
      %s
      bev:setcb { read = print, event = print } -- tries nothing again
      print(base:loop())
    ]]
    local no_space = "%s: No space left on device\t28\n"
    prints("nil\t" .. no_space:format "enable" .. "w\nempty\n",
      "epoll_ctl:ENOSPC@2-", code:format [[
      bev:disable "w"
      print(bev:enable "rw")
      print(bev:enabled())
    ]])
    prints("nil\t" .. no_space:format "enable" .. "r\ntrue\nw\nempty\n",
      "epoll_ctl:ENOSPC@2", code:format [[
      bev:enable "r"
      bev:disable "w"
      bev:write "x"
      print(bev:enable "w")
      print(bev:enabled())
      print(bev:enable "w" and bev:disable "r")
      print(bev:enabled())
      bev:close "now"
      bev = late
    ]])
    for which, enabled in pairs { ["1-"] = "", ["2-"] = "w" } do
      prints("nil\t" .. no_space:format "setfd" .. enabled .. "\nempty\n",
        "epoll_ctl:ENOSPC@" .. which, code:format [[
        print(late:setfd(libevent.socketpair()))
        print(late:enabled())
      ]])
    end
  end)

  it("a base that cannot watch all in a child stays its parent's", function()
    local start = [[
      local libevent = require "libevent"
      local posix = require "spec.posix"
      libevent.set_log_callback(function() end)
      local base = libevent.event_base()
      local r, w = posix.pipe()
      local closed = base:event(r, "r", error)
      closed:add()
      local event = base:event(r, "r", function()
        print(posix.read(r))
        base:loopbreak()
      end)
      event:add()
      local signal = base:signal("USR1", print)
      signal:add()
      local child = posix.fork()
      if child == 0 then
        %s
      end
      local how, number = posix.wait(child)
      assert(how == "exit" and number == 0)
      closed:close()
      posix.write(w, "parent")
      print(base:loop())
    ]]
    local foreign = "nil\treinit: No space left on device\t28\n"
      .. "false\tattempt to use the parent's event after fork "
      .. "(call reinit of its event_base first)\n"
    prints(foreign .. "child\nbreak\ns\nparent\nbreak\n",
      "epoll_ctl:ENOSPC@3-4", start:format [[
      print(base:reinit())
      print(pcall(event.pending, event))
      local own <close> = libevent.event_base() -- may have the signals
      local another = own:signal("USR2", print)
      another:add()
      another:close()
      closed:close() -- which tries it, too
      assert(base:reinit())
      assert(base:num_objects().event == 1)
      posix.write(w, "child")
      print(base:loop())
      print(signal:pending())
      posix.exit(0)
    ]])
    prints(foreign .. "parent\nbreak\n", "epoll_ctl:ENOSPC@3-40",
      start:format [[
      print(base:reinit())
      print(pcall(event.pending, event))
      closed:close()
      for _ = 1, 40 do
        base:reinit()
      end
      os.exit(0, true)
    ]])
  end)

  it("a program whose input is lost does not wait for more", function()
    prints("nil\twrite: Cannot allocate memory\t12\n", "send:ENOMEM@1", [[
      local libevent = require "libevent"
      libevent.run(function()
        print(libevent.process.run({ "cat" }, "input"))
      end)
    ]])
    prints("exit\t0\n", "send:EPIPE@1", [[
      local libevent = require "libevent"
      libevent.run(function()
        local result = assert(libevent.process.run({ "cat" }, "input"))
        print(result.how, result.what)
      end)
    ]])
  end)

  it("a worker is heard, though there was no memory to wait for it", function()
    for n = 3, 4 do
      prints("a line\ntrue\n", ("epoll_ctl:ENOMEM@%d"):format(n), [[
        local libevent = require "libevent"
        libevent.run(function()
          local written = libevent.future()
          local supervisor <close> = libevent.supervisor { "sh", "-c",
            "echo a line >&2; echo READY=1 >&$EVRUN_CHANNEL; exec sleep 100",
            write = function(text) written:set(text) end, heartbeat = 0 }
          io.write(written:wait(10):match "a line\n")
          print((supervisor:wait_ready(10)))
        end)
      ]])
    end
  end)

  it("sockets that cannot be made non-blocking are not given out", function()
    for n = 1, 10 do
      prints("nil\tsocketpair: Bad file descriptor\t9\n",
        ("fcntl:EBADF@%d"):format(n), [[
        local libevent = require "libevent"
        local posix = require "spec.posix"
        local before = posix.descriptors()
        print(libevent.socketpair(true))
        for fd in pairs(posix.descriptors()) do
          assert(before[fd])
        end
      ]])
    end
  end)

  it("a signal interrupts no evbuffer and no stream", function()
    prints("5\t5\thello\n", "write,writev,read,readv:EINTR@1-3", [[
      local libevent = require "libevent"
      local one, other = libevent.socketpair()
      local out, into = libevent.evbuffer "hello", libevent.evbuffer()
      print(out:write(one), into:read(other), into:copyout(5))
    ]])
    prints("0\thello\n", "send,sendmsg,recv,poll:EINTR@1-3", [[
      local libevent = require "libevent"
      libevent.run(function()
        local base = libevent.base()
        local one, other = libevent.socketpair()
        one, other = base:stream(one), base:stream(other)
        print(one:write "hello", (other:read(5)))
      end)
    ]])
  end)

  it("a signal does not hide who waits for a listener", function()
    prints("false\ttrue\n", "poll:EINTR@2-5", [[
      local libevent = require "libevent"
      local posix = require "spec.posix"
      local base = libevent.event_base()
      local listener = base:listener("127.0.0.1:0", nil, function() end)
      local before = listener:waiting()
      posix.connect(tonumber(listener:getsockname():match ":(%d+)$"))
      print(before, listener:waiting())
    ]])
  end)

  it("a listener without descriptors waits, and says so each second",
    function()
      local output, how, number = under("accept4:EMFILE@1-12", [[
        local libevent = require "libevent"
        local posix = require "spec.posix"
        libevent.log.format "text"
        libevent.run(function()
          local base = libevent.base()
          local came = base:condition()
          local listener = base:listener("127.0.0.1:0", nil, function(_, one)
            one:close()
            came:signal()
          end)
          libevent.set_log_callback(function(_, line) print(line) end)
          posix.connect(tonumber(listener:getsockname():match ":(%d+)$"))
          local busy, began = os.clock(), base:now()
          assert(came:wait(20))
          print(os.clock() - busy < (base:now() - began) / 2)
          listener:close()
        end)
      ]])
      assert.same({ "exit", 0 }, { how, number }, output)
      local lines, last = 0, nil
      for line in output:gmatch "[^\n]+" do
        lines, last = lines + (line:find "Too many open files" and 1 or 0), line
      end
      assert.equal("true", last, output)
      assert.is_true(lines >= 1 and lines <= 3, output)
    end)

  it("timers keep their time when the wall clock jumps", function()
    for _, jump in ipairs { 86400, -86400, 315360000 } do
      prints("true\ttrue\n",
        ("clock_gettime,gettimeofday,time:jump=%d@20-"):format(jump), [[
        local libevent = require "libevent"
        local base = libevent.event_base()
        local ticks, before = 0, base:now()
        base:timer(function(timer)
          ticks = ticks + 1
          if ticks < 20 then
            timer:add(0.01)
          end
        end):add(0.01)
        local event = base:event(-1, "", function() end)
        event:add(0.1)
        base:loop()
        local passed = base:now() - before
        print(ticks == 20, passed >= 0.19 and passed < 10)
      ]])
    end
  end)
end)
