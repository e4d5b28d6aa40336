# What must not compile: what reaches outside, what is not defined, what is no program.

%%FAIL
input

%%FAIL
inputs

%%FAIL
debug

%%FAIL
stderr

%%FAIL
input_filename

%%FAIL
input_line_number

%%FAIL
halt

%%FAIL
halt_error

%%FAIL
env

%%FAIL
env.PATH

%%FAIL
$ENV

%%FAIL
$ENV.PATH

%%FAIL
$__prog_args

%%FAIL
get_search_list

%%FAIL
modulemeta

%%FAIL
import "a" as a; a

%%FAIL
include "a"; a

%%FAIL
nope

%%FAIL
nope(1)

%%FAIL
map

%%FAIL
map(1; 2)

%%FAIL
length(1)

%%FAIL
break $x

%%FAIL
label $x | break $y

%%FAIL
_sort_by(.)

%%FAIL
_match("a")

%%FAIL
def f(x): x; f

%%FAIL
def f: g; def g: f; f

%%FAIL
def f: 1

%%FAIL
def : 1; 2

%%FAIL
def if: 1; 2

%%FAIL
(

%%FAIL
)

%%FAIL
[1, 2

%%FAIL
[1,]

%%FAIL
{a

%%FAIL
{a:}

%%FAIL
{a b}

%%FAIL
{1: 2}

%%FAIL
{(1): 2}

%%FAIL
{null: 2}; 1

%%FAIL
"abc

%%FAIL
"\(1"

%%FAIL
"\q"

%%FAIL
"\u12"

%%FAIL
1 +

%%FAIL
* 1

%%FAIL
1 2

%%FAIL
.a .

%%FAIL
.[1

%%FAIL
.[:]

%%FAIL
if 1 then 2

%%FAIL
if then 1 end

%%FAIL
try

%%FAIL
reduce . as $x

%%FAIL
reduce . as $x (1)

%%FAIL
foreach . as $x (1)

%%FAIL
. as | 1

%%FAIL
. as [] | 1

%%FAIL
. as {} | 1

%%FAIL
. as $x

%%FAIL
. as [$a, | 1

%%FAIL
1 == 2 == 3

%%FAIL
.a = 1 = 2

%%FAIL
@nope

%%FAIL
@nope "x"

%%FAIL
§

%%FAIL
..a

%%FAIL
. | | .

%%FAIL
label | 1

%%FAIL
1 as x | 2
