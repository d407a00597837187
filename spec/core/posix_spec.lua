local helper = require "spec.helper"
local libevent = require "libevent"

local own = libevent.posix

--- Calls fn with the path of a new folder, and removes what is in it after.
local function in_folder(fn)
  return function()
    local path = os.tmpname()
    os.remove(path)
    assert(own.mkdir(path, "0700"))
    local _ <close> = setmetatable({}, { __close = function()
      os.execute("rm -rf " .. path)
    end })
    fn(path)
  end
end

describe("posix mkdir", function()
  it("makes a folder with a mode", in_folder(function(path)
    assert.is_true(own.mkdir(path .. "/a", "0700"))
    assert.is_true(own.mkdir(path .. "/b", "500"))
    assert.equal("0700", own.lstat(path .. "/a").mode)
    assert.equal("0500", own.lstat(path .. "/b").mode)
  end))

  it("tells what stands in the way", in_folder(function(path)
    assert.same({ nil, "mkdir: File exists", 17 }, { own.mkdir(path, "0700") })
    assert.same({ nil, "mkdir: No such file or directory", 2 },
      { own.mkdir(path .. "/a/b", "0700") })
  end))

  it("refuses bad arguments", function()
    local function mkdir(_, ...)
      return own.mkdir(...)
    end
    helper.badargs(mkdir, nil, "path, mode", { "/no/such/folder" })
    for _, mode in ipairs { "", "8", "07x", "-1", " 700", "1000", "0x7" } do
      assert.error_matches(function()
        own.mkdir("/no/such/folder", mode)
      end, "bad argument #2 to 'mkdir' %(octal digits expected")
    end
  end)
end)

describe("posix lstat", function()
  it("tells what stands at a path", in_folder(function(path)
    local file <close> = assert(io.open(path .. "/file", "w"))
    file:write "12345"
    file:flush()
    assert(os.execute(("ln -s file %s/link; mkfifo %s/pipe; chmod 4751 %s/file")
      :format(path, path, path)))
    local status = own.lstat(path .. "/file")
    assert.same({ "file", "4751", own.geteuid(), 5 },
      { status.type, status.mode, status.uid, status.size })
    assert.is_true(math.abs(os.time() - status.mtime) < 1000)
    assert.equal("integer", math.type(status.gid))
    assert.equal("directory", own.lstat(path).type)
    assert.equal("link", own.lstat(path .. "/link").type)
    assert.equal("pipe", own.lstat(path .. "/pipe").type)
    assert.equal("device", own.lstat("/dev/null").type)
    assert.same({ nil, "lstat: No such file or directory", 2 },
      { own.lstat(path .. "/nothing") })
  end))

  it("refuses bad arguments", function()
    for _, fn in ipairs { own.lstat, own.readdir, own.readlink } do
      for _, bad in ipairs { {}, true, 7, print, "/dev/null\0x" } do
        assert.error_matches(function()
          fn(bad)
        end, "bad argument #1 to '%a+' %(")
      end
      assert.error_matches(function()
        fn()
      end, "got no value")
    end
  end)
end)

describe("posix readdir", function()
  it("lists a folder", in_folder(function(path)
    assert.same({}, own.readdir(path))
    local names = { " x", ".hidden", "a", ("long"):rep(60) }
    for _, name in ipairs(names) do
      io.open(path .. "/" .. name, "w"):close()
    end
    local got = own.readdir(path)
    table.sort(got)
    assert.same(names, got)
  end))

  it("tells why it cannot", function()
    assert.same({ nil, "readdir: No such file or directory", 2 },
      { own.readdir "/no/such/folder" })
    assert.same({ nil, "readdir: Not a directory", 20 },
      { own.readdir "/dev/null" })
  end)
end)

describe("posix readlink", function()
  it("tells where a link leads", in_folder(function(path)
    for _, target in ipairs { "../x y", "/no/such/file", ("long"):rep(500) } do
      assert(os.execute(("ln -sfn '%s' %s/link"):format(target, path)))
      assert.equal(target, own.readlink(path .. "/link"))
    end
  end))

  it("tells why it cannot", function()
    assert.same({ nil, "readlink: No such file or directory", 2 },
      { own.readlink "/no/such/link" })
    assert.same({ nil, "readlink: Invalid argument", 22 },
      { own.readlink "/dev/null" })
  end)
end)

describe("peercred", function()
  it("tells who has connected, and who listens", helper.run(function(base)
    local name = os.tmpname()
    os.remove(name)
    local listener <close> = assert(base:listener("unix:" .. name))
    local socket = assert(libevent.socket_connect("unix:" .. name))
    local other = assert(listener:accept())
    local me = { own.getpid(), own.geteuid(), own.lstat("/proc/self").gid }
    assert.same(me, { socket:peercred() })
    assert.same(me, { other:peercred() })
    local stream <close> = base:stream(socket)
    assert.same(me, { stream:peercred() })
    local bev = base:bufferevent(other)
    assert.same(me, { bev:peercred() })
    bev:close()
    assert.same(me, { stream:peercred() })
  end))

  it("is of connected unix sockets alone", helper.run(function(base)
    local listener <close> = assert(base:listener "127.0.0.1:0")
    local socket <close> = assert(libevent.socket_connect(
      listener:getsockname()))
    assert.same({ nil, "peercred: Operation not supported", 95 },
      { socket:peercred() })
    local stream <close> = assert(listener:accept())
    stream:close()
    assert.error_matches(function()
      stream:peercred()
    end, "attempt to use a closed")
  end))
end)

describe("num_objects", function()
  it("counts what is open by type", helper.run(function(base)
    local before = base:num_objects()
    assert.equal(before.task, #base:tasks())
    local _, _, closed <close> = helper.streams(base)
    assert.equal(2, base:num_objects().stream)
    getmetatable(closed).__close()
    assert.same(before, base:num_objects())
  end))
end)
