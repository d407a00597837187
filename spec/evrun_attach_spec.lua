-- evrun attach, ps and top, and the processes they look into.

local folders = require "spec.console.folders"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"

local evrun = ("%s lua/evrun"):format(
  require "spec.interpreter".lua)

describe("evrun", function()
  local top, removed

  before_each(function()
    posix.alarm(60)
    top, removed = folders.new()
  end)

  after_each(function()
    posix.alarm(0)
    program.reap()
    getmetatable(removed).__close()
  end)

  --- Runs a command that ends, with `evrun` as the command of this tree;
  -- returns its output and exit status.
  local function sh(command)
    local output, _, status = program.run(([[export XDG_RUNTIME_DIR=%s
      evrun() { timeout 60 %s "$@"; }
      %s]]):format(top, evrun, command))
    return output, status
  end

  --- Starts a process; the script must print a line when it is ready. Returns
  -- its pipe and its number.
  local function start(options, script)
    local pipe, pid = program.start(("lua/evrun %s -e '%s'"):format(options,
      script), ("export XDG_RUNTIME_DIR=%s;"):format(top))
    assert(pipe:read "l")
    return pipe, program.child(pid)
  end

  local waits = [[print "on" require "libevent".sleep(1000)]]

  local function socket(name, pid)
    return ("%s/evrun/%s.%d.sock"):format(top, name, pid)
  end

  it("attach types into a process", function()
    local pipe, pid = start("--console app", "value = 41 " .. waits)
    local status = libevent.posix.lstat(socket("app", pid))
    assert.same({ "socket", "0600" }, { status.type, status.mode })
    assert.equal("0700", libevent.posix.lstat(top .. "/evrun").mode)
    for _, whom in ipairs { "app", pid, socket("app", pid) } do
      assert.same({ "42\nx\n", 0 }, { sh(([[
        printf 'value + 1\nprint "x"\n' | evrun attach %s]]):format(whom)) })
    end
    local output, code = sh "echo 'value = 1 error \"no\"' | evrun attach app"
    assert.matches("^input:1: no\nstack traceback", output)
    assert.equal(0, code)
    assert.same({ "1\n", 0 }, { sh "echo value | evrun attach app" })
    assert.matches("main .*sleep", (sh "echo :tasks | evrun attach app"))
    assert.same({ "3\n", 0 },
      { sh [[printf 'f(\n' | evrun attach app; echo 1+2 | evrun attach app]] })
    posix.kill(pid, 15)
    local rest = pipe:read "a"
    assert.not_matches("\n42\n", "\n" .. rest)
    assert.is_nil(libevent.posix.lstat(socket("app", pid)))
  end)

  it("attach says who cannot be attached to", function()
    assert.same({ "evrun: no process is called app, or has that number "
      .. "(see evrun ps)\n", 1 }, { sh "evrun attach app </dev/null" })
    local pipe, one = start("--console app", waits)
    local other_pipe, other = start("--console app", waits)
    local output, code = sh "evrun attach app </dev/null"
    assert.equal(1, code)
    assert.matches("several processes are called app: ", output)
    assert.matches(tostring(one), output)
    assert.matches(tostring(other), output)
    assert.same({ "2\n", 0 },
      { sh(("echo 1+1 | evrun attach %d"):format(other)) })
    posix.kill(one, 9)
    assert.is_nil((pipe:close()))
    assert.is_not_nil(libevent.posix.lstat(socket("app", one)))
    assert.same({ "2\n", 0 }, { sh "echo 1+1 | evrun attach app" })
    output, code = sh(("evrun attach %s </dev/null"):format(socket("app", one)))
    assert.equal(1, code)
    assert.matches("cannot be reached %(connect: Connection refused%)", output)
    posix.kill(other, 15)
    other_pipe:close()
  end)

  it("attach waits no longer than it should", function()
    local _, pid = start("--console app", [[print "on" while true do end]])
    assert.same({ ("evrun: app (process %d) does not answer within 0.2 s\n")
      :format(pid), 1 }, { sh "evrun attach --timeout 0.2 app </dev/null" })
    assert.matches(("\n%d +app +%%- .*does not answer"):format(pid),
      (sh "evrun ps --timeout=0.2"))
    assert.matches('{"answers": false, "name": "app", "pid": %d+}]\n$',
      (sh "evrun ps --json --timeout 0.2"))
    posix.kill(pid, 9)
  end)

  it("attach notices that a process hangs later, and that it ends", function()
    local _, pid = start("--console app", waits)
    local output, code = sh [[echo '
      return (("a"):rep(50):find(("a?"):rep(50) .. ("a"):rep(50)))' \
      | evrun attach --timeout 0.2 app]] -- not Lua code: it cannot be stopped
    assert.equal(1, code)
    assert.matches("does not answer within 0.2 s", output)
    posix.kill(pid, 9)
    _, pid = start("--console app", waits)
    output, code = sh [[printf 'os.exit(3)\n1\n' | evrun attach app]]
    assert.equal(1, code)
    assert.equal(("evrun: app (process %d) has ended\n"):format(pid), output)
  end)

  --- Attaches; returns a pipe of what comes, a file to type into, and the
  -- process.
  local function attach(name)
    local fifo = top .. "/typed"
    assert(os.execute("rm -f " .. fifo .. "; mkfifo " .. fifo))
    local pipe, pid = program.start(("lua/evrun attach %s < %s"):format(name,
      fifo), ("export XDG_RUNTIME_DIR=%s;"):format(top))
    local typed = assert(io.open(fifo, "w"))
    typed:setvbuf "no"
    return pipe, typed, function()
      return program.child(pid)
    end
  end

  it("attach stops an input on Ctrl-C, and goes on", function()
    local _, pid = start("--console app", waits)
    local pipe, typed, client = attach "app"
    typed:write "print 'begun' require 'libevent'.sleep(1000)\n"
    assert.equal("begun", pipe:read "l")
    posix.kill(client(), 2)
    assert.equal("canceled", pipe:read "l")
    typed:write "1 + 1\n"
    assert.equal("2", pipe:read "l")
    typed:close()
    assert.equal("", pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
    posix.kill(pid, 15)
  end)

  it("attach answers under load, and disturbs nobody", function()
    local pipe, pid = start("--console app", [[
      local libevent = require "libevent"
      server = libevent.serve("127.0.0.1:0", function(stream)
        for line in stream:lines() do stream:write(line, "\n") end
      end)
      print "on"]])
    local address = sh("echo 'print(server:getsockname())' "
      .. "| evrun attach app"):match "%S+"
    local output = sh(([[
      (evrun -e '
        local libevent = require "libevent"
        local echoed = 0
        for i = 1, 64 do
          libevent.spawn(function()
            local stream = assert(libevent.connect("%s"))
            for j = 1, 100 do
              stream:write(i, " ", j, "\n")
              assert(stream:read("l", 60) == i .. " " .. j)
              echoed = echoed + 1
            end
            stream:close()
            if echoed == 6400 then print(echoed) end
          end)
        end' &
      for i in 1 2 3 4 5; do
        printf 'server:counters().failed\n' | evrun attach app
      done
      wait)]]):format(address))
    local lines = {}
    for line in output:gmatch "[^\n]+" do
      lines[line] = (lines[line] or 0) + 1
    end
    assert.same({ ["0"] = 5, ["6400"] = 1 }, lines)
    posix.kill(pid, 15)
    pipe:close()
  end)

  it("attach leaves nothing behind when it is killed", function()
    local server, pid = start("--console app", waits)
    local pipe, typed, client = attach "app"
    typed:write(([[print 'begun'
      local _ <close> = setmetatable({}, { __close = function()
        io.stderr:write "closed\n" end })
      require 'libevent'.sleep(1000)]]):gsub("\n", " ") .. "\n")
    assert.equal("begun", pipe:read "l")
    posix.kill(client(), 9)
    assert.equal("closed", server:read "l")
    pipe:close()
    typed:close()
    assert.matches("\n%S+ +main .*sleep", "\n"
      .. sh("echo 'print(1)' | evrun attach app; evrun top --once app "
        .. "--interval 0.1"):gsub(" +%d+ +main", "\n1 main"))
    posix.kill(pid, 15)
  end)

  it("ps lists processes", function()
    assert.same({ "PID  NAME  AGE  TASKS  CONNECTIONS  SCRIPT\n", 0 },
      { sh "evrun ps" })
    assert.same({ "[]\n", 0 }, { sh "evrun ps --json" })
    local _, one = start("--console one", waits)
    local _, other = start("--console the-other_1", [[
      local libevent = require "libevent"
      a, b = libevent.socketpair()
      a = libevent.base():stream(a)
      libevent.spawn(libevent.sleep, 1000)
      ]] .. waits)
    local output, code = sh "evrun ps"
    assert.equal(0, code)
    assert.matches(("\n *%d  one +%%d+s +1 +0  "):format(one), output)
    assert.matches(("\n *%d  the%%-other_1 +%%d+s +2 +1  "):format(other),
      output)
    output = sh "evrun ps --json"
    assert.matches(('{"age": [%%d.]+, "answers": true, "connections": 0, '
      .. '"name": "one", "pid": %d, "script": "[^"]*", "tasks": 1},\n')
      :format(one), output)
    posix.kill(one, 15)
    posix.kill(other, 15)
  end)

  it("top shows where tasks wait, and how busy the loop is", function()
    local _, pid = start("--console app", [[
      local libevent = require "libevent"
      for i = 1, 120 do
        libevent.spawn(function() libevent.sleep(1000) end)
      end
      ]] .. waits)
    local output, code = sh "evrun top --once --interval 0.3 app"
    assert.equal(0, code)
    for _, line in ipairs {
      ("^app %%(process %d%%)  up %%d+s  "):format(pid),
      "\ntasks 121  connections 0  objects %d+  errors 0\n",
      "\nmemory [%d.]+ %a+ Lua, [%d.]+ %a+ resident\n",
      "\ncallbacks [%d.]+%a*/s  accepts 0/s  read [%d.]+ %a+/s  written ",
      "\nbusy [%d.]+ %%  lag half ≤ %d+ ms, all ≤ %d+ ms\n",
      "\nlongest %d+ ms at ",
      "\n  120  %-     %(command line%):3  sleep\n",
      "\n    1  main  %(command line%):5  sleep\n",
    } do
      assert.matches(line, output)
    end
    assert.equal("nil\n",
      (sh [[echo 'require "libevent".base():counters().busy' \
        | evrun attach app]]))
    output = sh "evrun top --interval 0.05 app | head -n 30"
    assert.is_true(select(2, output:gsub("app %(process", "")) >= 2)
    posix.kill(pid, 15)
  end)

  it("removes what dead processes left, when another begins", function()
    local pipe, pid = start("--console app", waits)
    posix.kill(pid, 9)
    pipe:close()
    local left = socket("app", pid)
    assert.equal("socket", libevent.posix.lstat(left).type)
    -- It may belong to one that has begun just now.
    assert(os.execute("touch -h -d '1 minute' " .. left))
    local _, other = start("--console app", waits)
    assert.equal("socket", libevent.posix.lstat(left).type)
    assert(os.execute("touch -h -d '1 minute ago' " .. left))
    local _, third = start("--console third", waits)
    assert.is_nil(libevent.posix.lstat(left))
    for _, process in ipairs { other, third } do
      posix.kill(process, 15)
    end
  end)

  it("refuses a folder that others may enter", function()
    assert(os.execute(("mkdir -m 755 %s/evrun"):format(top)))
    local why = ("evrun: .*%s/evrun lets others in: its mode is 0755, not 0700")
      :format(top)
    for _, command in ipairs {
      "--console app -e 'print(1)'", "attach app", "ps", "top app",
    } do
      local output, code = sh("evrun " .. command)
      assert.equal(1, code)
      assert.matches(why, output)
      assert.not_matches("\n1\n", output)
    end
  end)

  it("refuses a name that is none", function()
    local output, code = sh "evrun --console a/b -e 'print(1)'"
    assert.equal(1, code)
    assert.matches("'a/b' is no name for a console", output)
  end)

  it("lets no other user in", function()
    if libevent.posix.geteuid() ~= 0
        or not os.execute("setpriv --version >/dev/null 2>&1") then
      pending "only root can become another user, by setpriv"
      return
    end
    assert(os.execute(("chmod 755 %s"):format(top)))
    local path = top .. "/socket"
    local pipe, pid = start("", ([[
      assert(require "libevent".console { path = "%s" })
      ]]):format(path) .. waits)
    local function nobody(command)
      return program.run(("setpriv --reuid 65534 --regid 65534 --clear-groups "
        .. "%s"):format(command))
    end
    local client = ("timeout 20 nc -N -U %s </dev/null"):format(path)
    assert.matches("Permission denied", (nobody(client)))
    assert(os.execute("chmod 666 " .. path)) -- as if somebody had
    assert.equal("", (nobody(client)))
    local line = pipe:read "l"
    assert.matches('"a user may not attach"', line)
    assert.matches('"uid":65534', line)
    assert.same({ "2\n", 0 }, { sh("echo 1+1 | evrun attach " .. path) })
    posix.kill(pid, 15)
  end)

  it("goes on to answer while the process drains", function()
    local pipe, pid, address = program.serve([[lua/evrun --console app -e '
      local libevent = require "libevent"
      local server = libevent.serve("127.0.0.1:0", function(stream)
        stream:write "hello\n"
        stream:read "l"
      end)
      print(server:getsockname())']],
      ("export XDG_RUNTIME_DIR=%s;"):format(top))
    local fd = posix.connect(program.port(address))
    repeat
      local got = posix.read(fd)
    until got
    posix.write(fd, "half a line")
    posix.kill(pid, 15)
    assert.matches("ends when its connections have", pipe:read "l")
    assert.matches("drain", (sh "echo :tasks | evrun attach app"))
    posix.close(fd)
    pipe:read "a"
    assert.same({ true, "exit", 0 }, { pipe:close() })
    assert.is_nil(libevent.posix.lstat(socket("app", pid)))
  end)

  it("ends though an input waits for what cannot happen", function()
    local pipe, pid = start("--console app",
      [[print "on" repeat require "libevent".sleep(0.01) until begun
        print "end"]])
    local output, code = sh [[echo '
      begun = true require "libevent".condition():wait()' | evrun attach app]]
    assert.equal(1, code)
    assert.equal(("evrun: app (process %d) has ended\n"):format(pid), output)
    assert.equal("end\n", pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("helps", function()
    for _, command in ipairs { "attach", "ps", "top" } do
      local output, code = sh(("evrun %s --help"):format(command))
      assert.matches("^usage: evrun " .. command, output)
      assert.equal(0, code)
      output, code = sh(("evrun %s --what"):format(command))
      assert.matches("^evrun: unrecognized option '%-%-what'\nusage: ", output)
      assert.equal(1, code)
      output, code = sh(("evrun %s a b"):format(command))
      assert.matches("^evrun: .*\nusage: evrun " .. command, output)
      assert.equal(1, code)
      output = sh(("evrun %s --timeout soon"):format(command))
      assert.matches("'%-%-timeout' needs seconds, not 'soon'", output)
      output = sh(("evrun %s --timeout"):format(command))
      assert.matches("^evrun: '%-%-timeout' needs seconds\nusage: ", output)
      assert.matches("show this list\n$", output)
    end
    for _, command in ipairs { "ps x", "ctl app reload x" } do
      local output = sh("evrun " .. command)
      assert.matches("^evrun: unexpected argument 'x'\nusage: ", output)
    end
  end)
end)
