use super::*;
use proptest::prelude::*;

/// The sum of two texts as a text; `None` where one is not a number or the sum is not finite.
fn add(a: &str, b: &str) -> Option<String> {
    let sum = Extended::parse(a.as_bytes())?.sum(Extended::parse(b.as_bytes())?)?;
    Some(String::from_utf8(sum.format(&mut Text::default()).to_vec()).unwrap())
}

/// Pairs and what `INCRBYFLOAT` of redis-server 7.0.15 made of them.
const SUMS: &[(&str, &str, &str)] = &[
    ("0", "0.1", "0.1"),
    ("10.5", "0.1", "10.6"),
    ("3.0e3", "200", "3200"),
    ("0.1", "0.2", "0.3"),
    ("1", "-1", "0"),
    ("1", "-1.0000000000000000001", "0"),
    ("-0", "-0", "0"),
    ("1e22", "1", "10000000000000000000000"),
    ("18446744073709551615", "1", "18446744073709551616"),
    ("18446744073709551615", "0.5", "18446744073709551616"),
    ("18446744073709551614", "0.5", "18446744073709551614"),
    ("18446744073709551615", "18446744073709551615", "36893488147419103230"),
    ("9007199254740993", "0.1", "9007199254740993.099609375"),
    ("123456789012345678901234567890", "0", "123456789012345678899921813504"),
    ("1e38", "1e20", "100000000000000000100769692854001860608"),
    ("0x1.8p3", "0X.1", "12.0625"),
    ("0x1p-20", "0", "0.00000095367431641"),
    ("0x123456789abcdef012345", "0", "1375488932539311398715392"),
    ("0x1.fffffffffffffffffp0", "0", "2"),
    ("1e-17", "0", "0.00000000000000001"),
    ("5e-18", "0", "0"),
    ("5.000000001e-18", "0", "0.00000000000000001"),
    ("1.5e-17", "0", "0.00000000000000002"),
    ("2.5e-17", "0", "0.00000000000000002"),
    ("-4e-18", "0", "0"),
    ("1e-4950", "0", "0"),
    (".5", "5.", "5.5"),
    ("+7", "-3", "4"),
    ("0000012.2500000", "0", "12.25"),
    ("3.14159265358979323846264338327950288", "0", "3.14159265358979324"),
    ("1.00000000000000000005421010862427522170037264004349708557128906249", "0", "1"),
    ("1.00000000000000000005421010862427522170037264004349708557128906251", "0", "1"),
    ("99999999999999999.99999999999999999", "0", "100000000000000000"),
    ("0.99999999999999999999", "0", "1"),
    ("0.999999999999999995", "0", "1"),
    ("1e19", "-0.1", "10000000000000000000"),
    ("-1e15", "0.33333333333333333333", "-999999999999999.66668701171875"),
    ("7e40", "-7e40", "0"),
    (
        "1e300",
        "-1e280",
        "1000000000000000000008997324079559193870523944273290747938260082321265646596180935755849152083750497190350372508614274835903592556184672983913096260520748646287327135641843653294084255107606016789726652932370030551382947620994540294772781889620606179267611627097410650567187386105690089424915104006144",
    ),
];

#[test]
fn sums_equal_those_of_the_real_server() {
    for (a, b, sum) in SUMS {
        assert_eq!(add(a, b).as_deref(), Some(*sum), "{a} + {b}");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", " 1", "1 ", "+", "-", ".", "1..2", "1.2.3", "1e", "1e+", "e5", "0x", "0x.", "0x1p", "0x1p+",
        "nan", "nan(1)", "infinit", "1_0", "--1", "1,5", "0x1e+5", "1p5", "0b1",
    ] {
        assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
    }
    let long = |length: usize| "0".repeat(length);
    assert_eq!(Extended::parse(long(5120).as_bytes()), None);
    assert_eq!(Extended::parse(long(5119).as_bytes()), Some(Extended::ZERO));
}

#[test]
fn numbers_end_where_those_of_the_x87_do() {
    let parse = |text: &str| Extended::parse(text.as_bytes());
    let largest = Extended { negative: false, mantissa: u64::MAX, exponent: EXPONENT_MAX };
    for text in ["1.18973149535723176502e4932", "1.18973149535723176505e4932", "0x1.fffffffffffffffep16383"] {
        assert_eq!(parse(text), Some(largest), "{text}");
    }
    for text in ["1.18973149535723176506e4932", "1e4933", "1e99999999999999999999", "0x1p16384"] {
        assert_eq!(parse(text), None, "{text}");
    }
    let smallest = Extended { negative: false, mantissa: 1, exponent: EXPONENT_MIN };
    for text in ["1.83e-4951", "3.6e-4951", "0x1p-16445", "0x1.8p-16446"] {
        assert_eq!(parse(text), Some(smallest), "{text}");
    }
    for text in ["1.82e-4951", "1e-4952", "1e-99999999999999999999", "0x1p-16446"] {
        assert_eq!(parse(text), None, "{text}");
    }
    for text in ["0e99999999999999999999", "0x0p-99999999999", "0.000", "00"] {
        assert_eq!(parse(text), Some(Extended::ZERO), "{text}");
    }
    assert_eq!(largest.sum(largest), None);
    assert_eq!(largest.sum(smallest), Some(largest));
    assert_eq!(parse("-inf").and_then(|number| number.sum(smallest)), None);
    assert_eq!(parse("Infinity"), Some(Extended::infinity(false)));
}

#[test]
fn the_largest_number_is_written_to_its_last_digit() {
    let largest = Extended { negative: true, mantissa: u64::MAX, exponent: EXPONENT_MAX };
    let mut text = Text::default();
    let text = largest.format(&mut text);
    assert_eq!(text.len(), 1 + 4932 + 1);
    assert!(text.starts_with(b"-118973149535723176502126385303097020516906332229462420044032"));
    // The power of two modulo a power of ten, worked out digit by digit.
    let mut low = 1_u128;
    for _ in 0..16_384 - 64 {
        low = low * 2 % 1_000_000_000;
    }
    let low = low * (u128::from(u64::MAX) % 1_000_000_000) % 1_000_000_000;
    assert!(text.ends_with(format!("{low:09}").as_bytes()));
    assert_eq!(Extended::parse(text), Some(largest));
}

/// A decimal number with so many decimals.
fn decimal(value: i128, decimals: u32) -> String {
    let scale = 10_i128.pow(decimals);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.abs() / scale, value.abs() % scale);
    if decimals == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{rest:0width$}", width = decimals as usize)
    }
}

/// A decimal number without what `INCRBYFLOAT` leaves out.
fn shortest(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

proptest! {
    #[test]
    fn sums_of_fractions_are_exact(a: i64, b: i64, decimals in 0_u32..=17) {
        // Three roundings in the 64th bit of numbers under 2 do not reach the 17th decimal.
        let unit = 10_i128.pow(decimals);
        let (a, b) = (i128::from(a) % unit, i128::from(b) % unit);
        prop_assert_eq!(add(&decimal(a, decimals), &decimal(b, decimals)), Some(shortest(&decimal(a + b, decimals))));
    }

    #[test]
    fn sums_of_integers_are_exact(a: i64, b: i64) {
        let sum = i128::from(a) + i128::from(b);
        prop_assert_eq!(add(&a.to_string(), &b.to_string()), Some(sum.to_string()));
    }

    #[test]
    fn a_short_text_reads_the_same_by_the_long_way(digits: u128, scale in -27_i32..=27) {
        // Zeros behind the digits and a one far below them force the way for long numbers.
        let short = format!("{}e{scale}", digits >> 2);
        let long = format!("{}{}e{}", digits >> 2, "0".repeat(60), scale - 60);
        let longer = format!("{}.{}1e{scale}", digits >> 2, "0".repeat(300));
        let number = Extended::parse(short.as_bytes()).or(Some(Extended::ZERO));
        prop_assert_eq!(Extended::parse(long.as_bytes()), number);
        let above = Extended::parse(longer.as_bytes());
        let ulp = above.zip(number).map(|(a, n)| (a.exponent - n.exponent, a.mantissa.wrapping_sub(n.mantissa)));
        prop_assert!(digits >> 2 == 0 || matches!(ulp, Some((0, 0 | 1)) | Some((1, _))));
    }

    #[test]
    fn what_was_written_without_loss_reads_as_it_was(mantissa: u64, exponent in -17_i32..200, negative: bool) {
        let number = Extended::nearest(negative, u128::from(mantissa | 1), exponent, false);
        let mut text = Text::default();
        prop_assert_eq!(Extended::parse(number.format(&mut text)), Some(number));
    }

    #[test]
    fn doubles_whose_sum_is_exact_add_as_the_standard_library_adds(a: i32, b: i32, shift in 0_i32..20) {
        let (a, b) = (f64::from(a) / f64::from(1 << shift), f64::from(b));
        prop_assert_eq!(add(&format!("{a:.20}"), &format!("{b}")), Some(shortest(&format!("{:.17}", a + b))));
    }
}
