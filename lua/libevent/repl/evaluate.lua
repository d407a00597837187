--- What a typed text is: an expression, a chunk, or the beginning of one.

local evaluate = {}

--- Whether a message says that the text could go on.
local function is_incomplete(message)
  return message:find "<eof>$" ~= nil
end

--- An expression, with no call in it a tail call: what that raises names the
-- input and not what runs it. One that ends in a semicolon stays as it is.
local function returning(expression, env)
  local chunk, message = load("return " .. expression, "=input", "t", env)
  return chunk and load("return (function(...) return ... end)(" .. expression
    .. "\n)", "=input", "t", env) or chunk, message
end

--- Compiles a text. An expression gives its values; `= expression` does, too.
---@param text string
---@param env table Its global variables.
---@return function? chunk
---@return string? message What is wrong; nil where the text could go on.
function evaluate.compile(text, env)
  local expression, marked = text:gsub("^%s*=", "", 1)
  local chunk, why = returning(expression, env)
  if chunk then
    return chunk
  end
  local message = why
  if marked == 0 then
    chunk, message = load(text, "=input", "t", env)
  end
  if chunk then
    return chunk
  elseif is_incomplete(why) or is_incomplete(message) then
    return nil
  end
  return nil, message
end

return evaluate
