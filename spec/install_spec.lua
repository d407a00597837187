-- What `make install` puts where, and that it runs from there.

local helper = require "spec.helper"
local posix = require "spec.posix"
local program = require "spec.program"

local run = program.run

--- Runs a target of the Makefile, which builds nothing: flags would differ.
local function make(target, folder)
  local output, _, status = run(("env -u MAKEFLAGS -u LD_PRELOAD make -s "
    .. "-o all %s BUILD='%s' LUA='%s' DESTDIR= PREFIX='%s'"):format(target,
    helper.build, arg[-1] or "lua5.4", folder))
  assert.same({ "", 0 }, { output, status })
end

--- The files in a folder, by path.
local function files(folder)
  return (run(("cd '%s' && find . -type f | LC_ALL=C sort"):format(folder)))
end

describe("make install", function()
  local folder

  before_each(function()
    posix.alarm(60)
    folder = run "mktemp -d":match "^[^\n]+"
  end)

  after_each(function()
    run(("rm -rf '%s'"):format(folder))
    posix.alarm(0)
  end)

  --- What a shell command says in which `evrun` is the installed one.
  local function sh(command)
    return run(("cd / && unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4; "
      .. "PATH='%s/bin':$PATH; %s"):format(folder, command))
  end

  it("installs the command, which finds its modules from anywhere", function()
    make("install", folder)
    assert.equal(folder .. "/bin/../share/lua/5.4/libevent/init.lua\n",
      (sh [[evrun -l libevent -e '
        print(package.searchpath("libevent", package.path))']]))
    assert.equal("slept\n", (sh [[evrun -l libevent -e '
      libevent.sleep(0.001) print "slept"']]))
    assert.matches("^stream:read%(", (sh "echo ':doc stream:read' | evrun"))
    assert.matches("^%.Dd.*Dt EVRUN 1",
      (sh(("cat '%s/share/man/man1/evrun.1'"):format(folder))))
  end)

  it("installs all modules, and no others", function()
    make("install", folder)
    assert.equal((files "lua":gsub("%./evrun\n", "", 1)),
      (files(folder .. "/share/lua/5.4"):gsub("%./libevent/docs/index.lua\n",
        "", 1)))
  end)

  it("is undone by make uninstall, which leaves what others have", function()
    run(("mkdir -p '%s/share/lua/5.4/libevent' && "
      .. "touch '%s/share/lua/5.4/libevent/other.lua'"):format(folder, folder))
    local before = files(folder)
    make("install", folder)
    assert.not_equal(before, files(folder))
    make("uninstall", folder)
    assert.equal(before, files(folder))
    assert.equal("", (run(("find '%s' -type d -name repl"):format(folder))))
  end)
end)
