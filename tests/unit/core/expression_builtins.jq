# Functions of values. Groups: a program, its input, its results.

# Types and selection.

map(type)
[null,true,1,"a",[],{}]
["null","boolean","number","string","array","object"]

[.[]|numbers,strings,booleans,nulls,arrays,objects]
[null,true,1,"a",[],{}]
[null,true,1,"a",[],{}]

[.[]|iterables]
[null,1,[],{}]
[[],{}]

[.[]|scalars]
[null,1,[],{}]
[null,1]

[.[]|values]
[null,1,false]
[1,false]

map(length)
[null,-3,"hé",[1],{"a":1}]
[0,3,2,1,1]

map(not)
[null,true,0,""]
[true,false,false,false]

map(select(.>1))
[1,2,3]
[2,3]

map(.,.)
[1,2]
[1,1,2,2]

[.[]|tostring]
[1,"a",[1],{"a":null}]
["1","a","[1]","{\"a\":null}"]

[.[]|tojson]
[1,"a",[1],{"a":null}]
["1","\"a\"","[1]","{\"a\":null}"]

map(tojson|fromjson)
[1,"a",[1],{"a":null}]
[1,"a",[1],{"a":null}]

map(tonumber)
["1","-1.5","1e2",7]
[1,-1.5,1e2,7]

map(tonumber)
[" 3 ",".5","+7"]
[3,0.5,7]

map(isvalid(.a))
[{"a":1},1]
[true,false]

[.[]|toboolean]
["true",false]
[true,false]

map(ascii)
[65,97]
["A","a"]

empty
null

[empty,1]
null
[1]

first(range(5)),first,last,nth(1)
[7,8,9]
0
7
9
8

[first(empty)]
null
[]

last(range(5)),nth(3;range(5))
null
4
3

[limit(3;range(10))],[limit(0;1,2)],[limit(-1;1,2)]
null
[0,1,2]
[]
[1,2]

[skip(2;range(5))]
null
[2,3,4]

[range(3)],[range(1;3)],[range(0;10;4)],[range(5;0;-2)],[range(0;1;0)]
null
[0,1,2]
[1,2]
[0,4,8]
[5,3,1]
[]

[range(1,2;3,4)]
null
[1,2,1,2,3,2,2,3]

[range(2.5)]
null
[0,1,2]

[while(.<50;.*2)]
1
[1,2,4,8,16,32]

until(.>50;.*2)
1
64

[limit(3;repeat(.+1))]
1
[2,2,2]

[recurse(if .>1 then ./2 else empty end)]
8
[8,4,2,1]

[recurse(.[]?;true)]
[[1]]
[[[1]],[1],1]

[recurse]|length
[[1]]
3

isempty(empty),isempty(1)
null
true
false

any,all
[true,false]
true
false

any,all
[]
false
true

any(.>2),all(.>0)
[1,2,3]
true
true

any(.[];.==2),all(.[];.<3)
[1,2,3]
true
false

[.[]|IN(1,2)]
[1,3]
[true,false]

IN(.[];2,3)
[1,2]
true

INDEX(.id)
[{"id":1},{"id":"x"}]
{"1":{"id":1},"x":{"id":"x"}}

INDEX(.[];.a)
[{"a":"p"}]
{"p":{"a":"p"}}

[JOIN({"1":"one"};.[0]|tostring)]
[[1],[2]]
[[[[1],"one"],[[2],null]]]

in({"a":1})
"a"
true

inside("foobar")
"oba"
true

inside([1,2,3])
[1,3]
true

contains("bar")
"foobar"
true

contains(["a"])
["abc","b"]
true

contains({a:[1]})
{"a":[1,2],"b":1}
true

contains({a:3})
{"a":[1,2]}
false

error("x")?
null

have_literal_numbers
null
true

toarray
1
[1]

map(abs)
[-1,1,0]
[1,1,0]

[splits(", *")]
"a, b,c"
["a","b","c"]

builtins|length>150
null
true

getpath([])
5
5

now|type
null
"number"

# Arrays.

add
[1,2,3]
6

add
["a","b"]
"ab"

add
[[1],[2]]
[1,2]

add
[{"a":1},{"b":2}]
{"a":1,"b":2}

add
[]
null

add
[null,1]
1

add(.[].a)
[{"a":1},{"a":2}]
3

sort
[3,1,2]
[1,2,3]

sort
[{},[],"a",1,true,false,null]
[null,false,true,1,"a",[],{}]

sort_by(.a)
[{"a":2},{"a":1}]
[{"a":1},{"a":2}]

sort_by(.a,.b)
[{"a":1,"b":2},{"a":1,"b":1}]
[{"a":1,"b":1},{"a":1,"b":2}]

sort_by(-.)
[1,3,2]
[3,2,1]

group_by(.a)
[{"a":1,"x":1},{"a":2},{"a":1,"x":2}]
[[{"a":1,"x":1},{"a":1,"x":2}],[{"a":2}]]

unique
[3,1,3,2,1]
[1,2,3]

unique_by(.a)
[{"a":1,"x":1},{"a":1,"x":2}]
[{"a":1,"x":1}]

unique_by(length)
["a","b","cc"]
["a","cc"]

min,max
[3,1,2]
1
3

min,max
[]
null
null

min_by(.a),max_by(.a)
[{"a":3},{"a":1}]
{"a":1}
{"a":3}

reverse
[1,2,3]
[3,2,1]

reverse
null
[]

flatten
[1,[2,[3]]]
[1,2,3]

flatten(1)
[1,[2,[3]]]
[1,2,[3]]

flatten(0)
[1,[2]]
[1,[2]]

try flatten(-1) catch .
[]
"flatten depth must not be negative"

transpose
[[1,2],[3]]
[[1,3],[2,null]]

combinations
[[1,2],[3,4]]
[1,3]
[1,4]
[2,3]
[2,4]

[combinations(2)]
[0,1]
[[0,0],[0,1],[1,0],[1,1]]

indices(1)
[0,1,2,1]
[1,3]

indices([1,2])
[0,1,2,1,2]
[1,3]

indices(", ")
"a, b, c"
[1,4]

index("b"),rindex("b")
"abcb"
1
3

index(1),rindex(1)
[0,1,1]
1
2

index("x")
"abc"
null

bsearch(2),bsearch(0),bsearch(9)
[1,2,3]
1
-1
-4

to_entries
{"a":1}
[{"key":"a","value":1}]

from_entries
[{"key":"a","value":1},{"name":"b","value":2},{"Key":"c","Value":3}]
{"a":1,"b":2,"c":3}

with_entries(select(.value>1))
{"a":1,"b":2}
{"b":2}

map(.+1)
[1,2]
[2,3]

.[length-1]
[1,2]
2

join(", ")
["a",1,null,true]
"a, 1, , true"

join(",")
[]
""

map(in([0,1]))
[0,5]
[true,false]

[.[]|explode|implode]
["hé😀"]
["hé😀"]

tojson
[1.5,100,1e17,1e-5,0.1]
"[1.5,100,1e17,1e-5,0.1]"

map(keys)
[{"b":1,"a":2},[5,6]]
[["a","b"],[0,1]]

[limit(2;.[])]
[1,2,3]
[1,2]

getpath(["a",1])
{"a":[1,2]}
2

[paths]
[[1]]
[[0],[0,0]]

ascii_downcase,ascii_upcase
"aBcÉ"
"abcÉ"
"ABCÉ"

# Numbers.

map(floor,ceil,round,trunc,fabs)
[1.5,-1.5]
[1,2,2,1,1.5,-2,-1,-2,-1,1.5]

map(sqrt)
[4,2.25]
[2,1.5]

pow(2;10),log2,exp2
8
1024
3
256

[.[]|log10]
[1,1000]
[0,3]

exp10
2
100

atan2(1;1)*4
null
3.141592653589793

fmin(1;2),fmax(1;2),fma(2;3;4),fmod(7;3)
null
1
2
10
1

hypot(3;4),copysign(1;-2),fdim(5;3)
null
5
-1
2

ldexp(1;3),scalb(1;3),scalbln(1;3)
null
8
8
8

frexp,modf
6.5
[0.8125,3]
[0.5,6]

significand,logb
10
1.25
3

nearbyint,rint
2.5
2
2

drem(5;3),remainder(5;3)
null
-1
-1

cbrt
27
3.0000000000000004

infinite|isinfinite
null
true

nan|isnan
null
true

[nan,infinite,-infinite,1]
null
[null,1.7976931348623157e+308,-1.7976931348623157e+308,1]

[nan,1]|map(isnormal)
null
[false,true]

[1,infinite,nan]|map(isfinite)
null
[true,false,true]

1e1000,-1e1000|tojson|length>2
null
true
true

[.[]|length]
[-5,0.5]
[5,0.5]

[.[]|gamma|floor]
[5]
[3]

lgamma_r
0.5
[0.5723649429247001,1]

tgamma
5
24

sin,cos,tan|floor
0
0
1
0

1/3*3==1
null
true

0.1+0.2
null
0.30000000000000004

3.0,3.10
null
3.0
3.10

100000000000000000000
null
100000000000000000000

[9007199254740993]
null
[9007199254740993]

.
9007199254740993
9007199254740993

.+0
9007199254740993
9007199254740992

.a
{"a":1.10}
1.10

tostring
12345678901234567890
"12345678901234567890"

.[0]==.[1]
[1,1.0]
true

-.
12345678901234567890
-12345678901234567890

map(.%3)
[5,-5,5.9]
[2,-2,2]

1e3|tojson
null
"1e3"

try ("a"|floor) catch .
null
"string (\"a\") number required"

try pow("a";1) catch .
null
"string (\"a\") number required"
