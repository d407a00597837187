-- Where the sockets of consoles stand.

local folder = require "libevent.console.folder"
local folders = require "spec.console.folders"
local libevent = require "libevent"
local posix = libevent.posix
local setenv = require "spec.posix".setenv

local EPERM, ENOENT = 1, 2

describe("the folder of consoles", function()
  it("is made for this user alone", function()
    local top <const>, removed <close> = folders.new() -- luacheck: ignore
    local path = top .. "/evrun"
    assert.is_true(folder.make(path))
    assert.is_true(folder.make(path))
    local status = posix.lstat(path)
    assert.same({ "directory", "0700", posix.geteuid() },
      { status.type, status.mode, status.uid })
  end)

  it("is refused if others may enter it", function()
    local top <const>, removed <close> = folders.new() -- luacheck: ignore
    local path = top .. "/evrun"
    for _, mode in ipairs { "0710", "0701", "0770", "0777", "1777" } do
      assert(os.execute(("mkdir -p %s; chmod %s %s"):format(path, mode, path)))
      local ok, message, code = folder.make(path)
      assert.is_nil(ok)
      assert.equal(("%s lets others in: its mode is %s, not 0700"):format(path,
        mode), message)
      assert.equal(EPERM, code)
    end
  end)

  it("is refused if it is none, or a link to one", function()
    local top <const>, removed <close> = folders.new() -- luacheck: ignore
    assert(posix.mkdir(top .. "/real", "0700"))
    assert(os.execute(("ln -s real %s/link; touch %s/file"):format(top, top)))
    for _, kind in ipairs { "link", "file" } do
      local path = top .. "/" .. kind
      assert.same({ nil, path .. " is not a folder, but a " .. kind, EPERM },
        { folder.make(path) })
    end
    local _, message, code = folder.make(top .. "/no/such")
    assert.matches("mkdir: No such file", message)
    assert.equal(ENOENT, code)
  end)

  it("is refused if it is another user's", function()
    if posix.geteuid() ~= 0 then
      pending "only root can give a folder away"
      return
    end
    local top <const>, removed <close> = folders.new() -- luacheck: ignore
    local path = top .. "/evrun"
    assert(os.execute(("mkdir -m 700 %s; chown 65534 %s"):format(path, path)))
    assert.same({ nil, path .. " belongs to user 65534", EPERM },
      { folder.make(path) })
  end)

  it("has sockets whose numbers are those of processes", function()
    local top <const>, removed <close> = folders.new() -- luacheck: ignore
    local before = os.getenv "XDG_RUNTIME_DIR" or ""
    setenv("XDG_RUNTIME_DIR", top)
    assert(folder.make(folder.path()))
    for _, number in ipairs { "7", ("9"):rep(30) } do
      assert(io.open(("%s/a.%s.sock"):format(folder.path(), number), "w"))
        :close()
    end
    local list = folder.list()
    setenv("XDG_RUNTIME_DIR", before)
    assert.same({ { name = "a", pid = 7, path = top .. "/evrun/a.7.sock" } },
      list)
  end)
end)
