-- SPDX-License-Identifier: MIT
-- Tables, strings, closures, coroutines and a full heap, on whichever kind.
local name, before = kind()
print("kind:", name)

-- The numbers below n that have no divisor, from a chain of coroutines.
local function sieve(n)
    local function numbers()
        for i = 2, n do coroutine.yield(i) end
    end
    local function without(p, source)
        return function()
            for i in source do
                if i % p ~= 0 then coroutine.yield(i) end
            end
        end
    end
    local source, primes = coroutine.wrap(numbers), {}
    local p = source()
    while p do
        primes[#primes + 1] = p
        source = coroutine.wrap(without(p, source))
        p = source()
    end
    return primes
end
print("primes:", table.concat(sieve(100), " "))

-- Words and how often they come.
local count = {}
for i = 1, 200000 do
    local word = "w" .. (i * i) % 997
    count[word] = (count[word] or 0) + 1
end
local words, sum = 0, 0
for _, n in pairs(count) do
    words, sum = words + 1, sum + n
end
print("words:", words, sum)

-- A table that grows until memory ends, if it does: an error like any other.
local wanted = tonumber((...)) or 0
local ok, message = pcall(function()
    local t = {}
    for i = 1, wanted do t[i] = { i } end
    return #t
end)
print("large table:", ok, message)
collectgarbage()
local _, after = kind()
print("given back:", after < before + 1000000)
