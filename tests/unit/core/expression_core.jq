# The language: literals, operators, control, names. Groups: a program, its input, its results.

# Literals and strings.

1
null
1

-1
null
-1

1.5
null
1.5

1e3
null
1e3

0.1
null
0.1

null
null
null

true
null
true

false
null
false

""
null
""

"a"
null
"a"

"\u00e9\n\t\"\\\/"
null
"é\n\t\"\\/"

"\ud83d\ude00"
null
"😀"

[]
null
[]

{}
null
{}

[1,"a",null]
null
[1,"a",null]

"a\("b")c"
null
"abc"

"\(1+1)\("x")"
null
"2x"

"\(1,2)-\(3,4)"
null
"1-3"
"2-3"
"1-4"
"2-4"

"nested \("in \("deep")")"
null
"nested in deep"

.5
null
0.5

1.
null
1.0

"tab\there"
null
"tab\there"

"\(.)"
{"a":1}
"{\"a\":1}"

"\(.a)\(.b)"
{"a":[1],"b":null}
"[1]null"

1 # a comment
null
1

@json "x\(.)"
"q"
"x\"q\""

@text "x\(.)"
[1]
"x[1]"

# Fields, indices, slices, iteration.

.
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}

.a
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
{"b":[1,2,{"c":"x"}]}

.a.b
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[1,2,{"c":"x"}]

.a.b[0]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
1

.a["b"]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[1,2,{"c":"x"}]

."a"."b"
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[1,2,{"c":"x"}]

.a.b[2].c
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
"x"

.x.y.z
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
null

.[.k]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
"text"

.a.b[-1]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
{"c":"x"}

.a.b[1:]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[2,{"c":"x"}]

.a.b[:1]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[1]

.a.b[-2:-1]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[2]

.a.b[5]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
null

.a.b[]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
1
2
{"c":"x"}

.[]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
{"b":[1,2,{"c":"x"}]}
null
true
"text"
"s"

[.a.b[]?,.s[]?]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[1,2,{"c":"x"}]

.s[1:3]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
"ex"

.a|.b|.[1]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
2

[.["a","n"]]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
[{"b":[1,2,{"c":"x"}]},null]

.a.b[0,1]
{"a":{"b":[1,2,{"c":"x"}]},"n":null,"t":true,"s":"text","k":"s"}
1
2

[..]
[1,[2,{"a":3}]]
[[1,[2,{"a":3}]],1,[2,{"a":3}],2,{"a":3},3]

..
"x"
"x"

[.[]?]
3
[]

.a?
3

[.a?,1]
3
[1]

.["a"]?
3

try .[0] catch .
{}
"Cannot index object with number"

.[]?
null

[.[1:][]]
[1,2,3]
[2,3]

.[2:1]
[1,2,3]
[]

.[:-1]
"héllo"
"héll"

.[1:2]
"héllo"
"é"

.[0]
null
null

.[1:]
null
null

[.[]|.[0]]
[[1],[2],[]]
[1,2,null]

.["b"]["c"]?
{"b":{"c":1}}
1

[.[]|.a?.b?]
[{"a":{"b":1}},{"a":2},3]
[1]

.[[2,3]]
[1,2,3,4,2,3]
[1,4]

.[null]?
[1]

.a[.i]
{"a":[5,6],"i":1}
6

.a[.i:]
{"a":[5,6,7],"i":1}
[6,7]

# Pipes, commas, operators.

1,2
null
1
2

(1,2)|.+1
null
2
3

1,2|.+1
null
2
3

1+2*3
null
7

(1+2)*3
null
9

10/4
null
2.5

7%3
null
1

-7%3
null
-1

7%-3
null
1

5-3-1
null
1

2*3%4
null
2

-(1+2)
null
-3

-(1,2)
null
-1
-2

[(1,2)+(10,20)]
null
[11,12,21,22]

[(1,2)*(3,4)]
null
[3,6,4,8]

"a"+"b"
null
"ab"

[1]+[2]
null
[1,2]

{"a":1}+{"b":2}
null
{"a":1,"b":2}

{"a":1}+{"a":2}
null
{"a":2}

null+1
null
1

1+null
null
1

null+null
null
null

[1,2,1]-[1]
null
[2]

{"a":{"x":1}}*{"a":{"y":2}}
null
{"a":{"x":1,"y":2}}

"ab"*3
null
"ababab"

3*"ab"
null
"ababab"

"ab"*0
null
null

"a,b"/","
null
["a","b"]

1==1
null
true

1=="1"
null
false

[1,2]==[1,2.0]
null
true

{"a":1,"b":2}=={"b":2,"a":1}
null
true

1!=2
null
true

1<2,2<1
null
true
false

"a"<"b"
null
true

null<false
null
true

false<true
null
true

true<0
null
true

0<""
null
true

""<[]
null
true

[]<{}
null
true

[1,2]<[1,3]
null
true

{"a":2}<{"b":1}
null
true

true and false
null
false

true and (true,false)
null
true
false

(true,false) or false
null
true
false

null or 1
null
true

false or empty
null

[true and empty]
null
[]

1 and null
null
false

[(true,false) and (true,false)]
null
[true,false,false]

1 // 2
null
1

null // 2
null
2

false // null
null
null

empty // 3
null
3

(1,null,2) // 3
null
1
2

(null,false) // (4,5)
null
4
5

null // null // 6
null
6

[1,null,2|. // 9]
null
[1,9,2]

1 as $x|2 as $y|[$x,$y]
null
[1,2]

.a // .b
{"b":2}
2

[.[] // 0]
[null,1,false]
[1]

1e1000 > 1e999
null
true

1 - 1 == 0
null
true

nan < nan
null
true

[nan]|sort
null
[null]

nan == nan
null
false

[1,nan]|min
null
null

infinite > 1e308
null
true

-infinite < 0
null
true

# Conditions, try, errors.

if true then 1 else 2 end
null
1

if null then 1 else 2 end
null
2

if 0 then 1 else 2 end
null
1

if false then 1 elif true then 2 else 3 end
null
2

if (true,false) then 1 else 2 end
null
1
2

if empty then 1 else 2 end
null

[if true then 1,2 else 3 end]
null
[1,2]

try error("x") catch .
null
"x"

try error({"a":1}) catch .a
null
1

try error catch .
null
null

[.[]|try error("\(.)") catch .]
[1,2]
["1","2"]

[try error("x")]
null
[]

[(1,error("x"),3)?]
null
[1]

try (1,error("x"),3) catch .
null
1
"x"

try (try error("a") catch error("b")) catch .
null
"b"

[error("x")?,1]
null
[1]

try error("x") catch error("y")?
null

error("x")? // 1
null
1

try (1|.a) catch .
null
"Cannot index number with string \"a\""

try ([]|.a) catch .
null
"Cannot index array with string \"a\""

try ({}|.[0]) catch .
null
"Cannot index object with number"

try (1|.[]) catch .
null
"Cannot iterate over number (1)"

try ("a"+1) catch .
null
"string (\"a\") and number (1) cannot be added"

try ({}-1) catch .
null
"object ({}) and number (1) cannot be subtracted"

try ({}*1) catch .
null
"object ({}) and number (1) cannot be multiplied"

try ([]/1) catch .
null
"array ([]) and number (1) cannot be divided"

try (1%0) catch .
null
"number (1) and number (0) cannot be divided (remainder) because the divisor is zero"

try ({}|keys|.[0]|.a.b) catch .
null
null

try ("aaaaaaaaaaaaaaaaaaaaaaaaaaa"-1) catch .
null
"string (\"aaaaaaaaaa...) and number (1) cannot be subtracted"

try ([1,2,3,4,5,6,7,8,9]-{}) catch .
null
"array ([1,2,3,4,5,...) and object ({}) cannot be subtracted"

try -"a" catch .
null
"string (\"a\") cannot be negated"

try ([1]|implode|.+1) catch .
null
"string (\"\\u0001\") and number (1) cannot be added"

try ({(1|tostring):1}|.["1"]) catch .
null
1

try ([1]|has("a")) catch .
null
"Cannot check whether array has a string key"

try (1|keys) catch .
null
"number (1) has no keys"

try (true|length) catch .
null
"boolean (true) has no length"

try ([1]|sort_by(.a)) catch .
null
"Cannot index number with string \"a\""

try (1|tojson|fromjson|.[0]) catch .
null
"Cannot index number with number"

try ("a"|ltrimstr(1)) catch .
null
"a"

try ("a"|startswith(1)) catch .
null
"startswith() requires string inputs"

try ("a"|test(1)) catch .
null
"number not a string or array"

try ([1]|join(",")|explode) catch .
null
[49]

try ([[1]]|join(",")) catch .
null
"string (\"\") and array ([1]) cannot be added"

try ("a"|explode|implode|implode) catch .
null
"implode input must be an array"

try ({"a":1}|@csv) catch .
null
"object ({\"a\":1}) cannot be csv-formatted, only array"

try ([{}]|@csv) catch .
null
"object ({}) is not valid in a csv row"

try ([[]]|@sh) catch .
null
"array ([]) can not be escaped for shell"

try ("a"|@base64d) catch .
null
"string (\"a\") trailing base64 byte found"

try ("x"|strptime("%Y")) catch .
null
"date \"x\" does not match format \"%Y\""

try ("x"|mktime) catch .
null
"mktime requires array inputs"

try (range("a")) catch .
null
"Range bounds must be numeric"

try (1|splits("a")) catch .
null
"number (1) cannot be matched, as it is not a string"

try ("a"|test("(")|not) catch "bad pattern"
null
"bad pattern"

try ([1]|.["a"]=1) catch .
null
"Cannot index array with string \"a\""

try (null|.[-1]=1) catch .
null
"Out of bounds negative array index"

try ([1]|.[-5]=1) catch .
null
"Out of bounds negative array index"

try ("abc"|.[0:1]="x") catch .
null
"Cannot update field at object index of string"

try ([1]|.[0:1]=5) catch .
null
"A slice of an array can only be assigned another array"

try ({}|.[0]=1) catch .
null
"Cannot index object with number"

try ([1]|delpaths(1)) catch .
null
"Paths must be specified as an array"

try ([1]|delpaths([1])) catch .
null
"Path must be specified as array, not number"

try ([1]|delpaths([["a"]])) catch .
null
"Cannot delete string element of array"

try ({}|delpaths([[0]])) catch .
null
"Cannot delete number field of object"

try (null|setpath(1;2)) catch .
null
"Path must be specified as an array"

try (1|path(1|.a)) catch .
null
"Cannot index number with string \"a\""

try (path(1|.+1)) catch .
null
"Invalid path expression with result 2"

try path(.a|map(1)|.[0]) catch .
{"a":[1]}
"Invalid path expression near attempt to access element 0 of [1]"

try path(.a|map(1)|.[]) catch .
{"a":[1]}
"Invalid path expression near attempt to iterate through [1]"

try error("\($__loc__.line)") catch .
null
"1"

# Bindings and destructuring.

1 as $x|$x
null
1

(1,2) as $x|$x*10
null
10
20

[1,[2,{"a":3}]] as [$a,[$b,{a:$c}]]|[$a,$b,$c]
null
[1,2,3]

{"a":1,"b":2} as {a:$x,$b}|[$x,$b]
null
[1,2]

{"a":{"b":1}} as {$a:{$b}}|[$a,$b]
null
[{"b":1},1]

{"k":"a","a":5} as {k:$k,("a"):$v}|[$k,$v]
null
["a",5]

{"a":5} as {"a":$v}|$v
null
5

[1] as [$a,$b]|[$a,$b]
null
[1,null]

null as [$a]|$a
null
null

null as {$a}|$a
null
null

1 as $x|[$x,(2 as $x|$x),$x]
null
[1,2,1]

[[1,2],[3,4]]|.[] as [$a,$b]|$a+$b
null
3
7

[.[]|. as [$a] ?// $a|[$a]]
[[1],2]
[[1],[2]]

[.[]|. as {$a} ?// [$a] ?// $a|$a]
[{"a":1},[2],3]
[1,2,3]

[.[] as [$a] ?// $b|[$a,$b]]
[[1],2]
[[1,null],[null,2]]

. as [$a] ?// [$b]|if $a != null then error("no") else [$a,$b] end
[[3]]
[null,[3]]

1 as $x|def f: $x; 2 as $x|f
null
1

"a" as $x|{$x}
null
{"x":"a"}

"a" as $x|{$x:1}
null
{"a":1}

1 as $x|{a:$x}|.a
null
1

{"as":1} as {as:$x}|$x
null
1

[{"a":1,"b":[2,{"c":3}]}]|.[]as{a:$a,b:[$b,{$c}]}|$a+$b+$c
null
6

# reduce, foreach, label.

reduce range(5) as $i (0;.+$i)
null
10

reduce empty as $i (7;.)
null
7

reduce (1,2,3) as $i ([];[$i]+.)
null
[3,2,1]

reduce range(3) as $i (0;empty)
null
null

reduce range(3) as $i (0;.,.+$i)
null
3

[reduce (1,2) as $i (0,10;.+$i)]
null
[3,13]

reduce ([1,2],[3,4]) as [$a,$b] (0;.+$a*$b)
null
14

reduce ({"a":1},{"a":2}) as {$a} (0;.+$a)
null
3

[foreach range(5) as $i (0;.+$i)]
null
[0,1,3,6,10]

[foreach range(5) as $i (0;.+$i;[$i,.])]
null
[[0,0],[1,1],[2,3],[3,6],[4,10]]

[foreach range(3) as $i (0;empty;.)]
null
[]

[foreach (1,2) as $i (0,10;.+$i)]
null
[1,3,11,13]

[foreach range(4) as $i (null;$i;select(.%2==0))]
null
[0,2]

[foreach ([1,2],[3,4]) as [$a,$b] (0;.+$a;.*$b)]
null
[2,16]

[foreach (1,2) as $i (0;(.+$i,.*10))]
null
[1,0,2,0]

[label $f|1,break $f,2]
null
[1]

[label $f|range(10)|if .>3 then break $f else . end]
null
[0,1,2,3]

[label $a|label $b|1,break $a,2]
null
[1]

[label $a|(label $b|1,break $b,2),3]
null
[1,3]

[range(3)|label $f|.,break $f]
null
[0,1,2]

def f(g): label $x|g,break $x; [f(1,2)]
null
[1,2]

[label $f|foreach (1,2,3) as $i (0;.+$i;if .>2 then .,break $f else . end)]
null
[1,3]

reduce range(5) as $i ({};.["k\($i%2)"]+=$i)
null
{"k0":6,"k1":4}

reduce range(4) as $i ({};.a.b+=1|.c[$i]=$i)
null
{"a":{"b":4},"c":[0,1,2,3]}

reduce range(3) as $i ([];.[$i]=$i*2)
null
[0,2,4]

reduce ("a","b","a") as $k ({};.[$k]+=[$k])
null
{"a":["a","a"],"b":["b"]}

reduce range(3) as $i ({"a":{}};.a["x\($i)"]=$i|.b=.a)
null
{"a":{"x0":0,"x1":1,"x2":2},"b":{"x0":0,"x1":1,"x2":2}}

{"x":{"n":1}} as $o|reduce (1,2) as $i ($o;.x.n+=$i)|[.,$o]
null
[{"x":{"n":4}},{"x":{"n":1}}]

reduce range(3) as $i (.;[.])
null
[[[null]]]

# Functions.

def f: 1; f
null
1

def f(x): x+1; f(2)
null
3

def f($x): $x+1; f(2)
null
3

def f($x): x+$x; f(2)
null
4

def f(x;$y): x*$y; f(2;3)
null
6

def f(x): x,x; [f(1,2)]
null
[1,2,1,2]

def f($x): [$x]; f(1,2)
null
[1]
[2]

def f: def g: 3; g*2; f
null
6

def f: 1; def g: f+1; def f: 10; g
null
2

def fac: if .<=1 then 1 else .*(.-1|fac) end; 5|fac
null
120

def f(g): def h: g; h|h; 1|f(.+1)
null
3

def f(x): 2 as $y|x; 1 as $y|f($y)
null
1

def f(a;b;c): [a,b,c]; f(1;2;3)
null
[1,2,3]

def f: .+1; [1,2]|map(f)
null
[2,3]

def even: .%2==0; [range(6)|select(even)]
null
[0,2,4]

def f(g): [g]; f(f(f(1)))
null
[[[1]]]

def f: reduce .[] as $x (0;.+$x); [1,2,3]|f
null
6

def f($a;$b): $a-$b; f(5;3)
null
2

def f(x): if x>3 then x else f(x+1) end; f(0)
null
4

def ack(m;n): m as $m|n as $n|if $m==0 then $n+1 elif $n==0 then ack($m-1;1) else ack($m-1;ack($m;$n-1)) end; ack(2;2)
null
7

def z(f): f|f; 2|z(.*.)
null
16

1 as $x|def f: $x+1; f
null
2

[recurse(if .<3 then .+1 else empty end)]
0
[0,1,2,3]

def map(f): "mine"; [1]|map(.)
null
"mine"

def add: "mine"; [1]|add
null
"mine"

def f(x): x|x; "a"|f(.+.)
null
"aaaa"

# Object construction.

{a:1,b:2}
null
{"a":1,"b":2}

{"a":1}
null
{"a":1}

{("a","b"):1}
null
{"a":1}
{"b":1}

{a:(1,2)}
null
{"a":1}
{"a":2}

{a:(1,2),b:(3,4)}
null
{"a":1,"b":3}
{"a":1,"b":4}
{"a":2,"b":3}
{"a":2,"b":4}

{"x\(1+1)":1}
null
{"x2":1}

{(1|tostring):2}
null
{"1":2}

{a:(1|.+1)}
null
{"a":2}

{if:1,then:2,and:3,reduce:4}
null
{"if":1,"then":2,"and":3,"reduce":4}

{a,b}
{"a":1,"c":2}
{"a":1,"b":null}

{"a",c}
{"a":1,"c":2}
{"a":1,"c":2}

{"a\("")"}
{"a":1}
{"a":1}

{(.k):.v}
{"k":"x","v":1}
{"x":1}

{a:.b,b:.a}
{"a":1,"b":2}
{"a":2,"b":1}

{a:{b:{c:.}}}
1
{"a":{"b":{"c":1}}}

{a:.x,a:.y}
{"x":1,"y":2}
{"a":2}

{"a":1,"b":[2,{"c":3}]}|.b[1].c
null
3

[{a:1},{a:2}]|map({b:.a})
null
[{"b":1},{"b":2}]

{@base64 "x":1}
null
{"x":1}

{a:-1}
null
{"a":-1}

{a:null}|.a
null
null

{$__loc__}|keys
null
["__loc__"]

try {(1|.):1} catch .
null
"Cannot use number (1) as object key"
