//! Pictures that shoppers are shown: of what is sent, the header is read, and the parts are kept that a browser draws it from. Words that are beside the
//! picture (comments, where it was taken) and whatever stands behind its end are left out.

use panvault_store::ImageFormat;

use crate::limits::{IMAGE_BYTES_MAX, IMAGE_PIXELS_MAX};

/// A picture that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) format: ImageFormat,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) bytes: Vec<u8>,
}

/// What a picture is not, as what was sent must be.
type NotTaken = &'static str;

const NEITHER: NotTaken = "must be a PNG or a JPEG";
const DAMAGED: NotTaken = "is cut short or damaged";
const TOO_LONG: NotTaken = "may have 65536 bytes at most";
const TOO_LARGE: NotTaken = "may have 1024 by 1024 pixels at most";

impl Image {
    /// Reads what was sent.
    pub(crate) fn read(sent: &[u8]) -> Result<Self, NotTaken> {
        if sent.len() > IMAGE_BYTES_MAX {
            return Err(TOO_LONG);
        }
        if let Some(chunks) = sent.strip_prefix(PNG) {
            return png(chunks);
        }
        match sent.strip_prefix(JPEG) {
            Some(segments) => jpeg(segments),
            None => Err(NEITHER),
        }
    }
}

fn sides(width: u32, height: u32) -> Result<(u16, u16), NotTaken> {
    let side = |pixels: u32| {
        let pixels = u16::try_from(pixels).map_err(|_| TOO_LARGE)?;
        match pixels {
            0 => Err(DAMAGED),
            1..=IMAGE_PIXELS_MAX => Ok(pixels),
            _ => Err(TOO_LARGE),
        }
    };
    Ok((side(width)?, side(height)?))
}

/// The first so many bytes, and the rest.
fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), NotTaken> {
    bytes.split_at_checked(at).ok_or(DAMAGED)
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Of the chunks that need not be there, those that say of what colour it is.
const PNG_COLOURS: [&[u8]; 4] = [b"tRNS", b"gAMA", b"cHRM", b"sRGB"];

/// The chunks of a PNG (PNG, third edition, section 5). Their checksums are left to who draws it.
fn png(mut rest: &[u8]) -> Result<Image, NotTaken> {
    let mut bytes = PNG.to_vec();
    let (mut size, mut is_drawn) = (None, false);
    loop {
        let (head, _) = rest.split_first_chunk::<8>().ok_or(DAMAGED)?;
        let ([length @ .., _, _, _, _], [_, _, _, _, kind @ ..]) = (head, head);
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| DAMAGED)?;
        let (chunk, behind) = split(rest, length.checked_add(12).ok_or(DAMAGED)?)?;
        rest = behind;
        let is_first = size.is_none();
        match kind {
            b"IHDR" if is_first && length == 13 => {
                let (_, body) = split(chunk, 8)?;
                let (width, body) = body.split_first_chunk().ok_or(DAMAGED)?;
                let height = body.first_chunk().ok_or(DAMAGED)?;
                size = Some(sides(u32::from_be_bytes(*width), u32::from_be_bytes(*height))?);
            }
            _ if is_first => return Err(DAMAGED),
            b"IDAT" => is_drawn = true,
            b"PLTE" | b"IEND" => {}
            _ if PNG_COLOURS.contains(&kind.as_slice()) => {}
            // In lower case is what need not be understood.
            [letter, ..] if letter.is_ascii_lowercase() => continue,
            _ => return Err(DAMAGED),
        }
        bytes.extend_from_slice(chunk);
        if kind == b"IEND" {
            break;
        }
    }
    let (width, height) = size.filter(|_| is_drawn).ok_or(DAMAGED)?;
    Ok(Image { format: ImageFormat::Png, width, height, bytes })
}

const JPEG: &[u8] = b"\xff\xd8";

/// The segments of a JPEG image (ITU-T T.81, annex B).
fn jpeg(mut rest: &[u8]) -> Result<Image, NotTaken> {
    let mut bytes = JPEG.to_vec();
    let (mut size, mut is_drawn) = (None, false);
    loop {
        let marker = match rest {
            [0xff, marker, ..] => *marker,
            _ => return Err(DAMAGED),
        };
        let (start, behind) = split(rest, 2)?;
        if marker == 0xff {
            // One that fills.
            (_, rest) = split(rest, 1)?;
            continue;
        }
        if marker == 0xd9 {
            bytes.extend_from_slice(start);
            break;
        }
        let length = behind.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
        let (segment, mut behind) = split(behind, length.filter(|length| *length >= 2).ok_or(DAMAGED)?)?;
        let is_kept = match marker {
            // Baseline, extended and progressive: what browsers draw.
            0xc0..=0xc2 => {
                let [_, _, _, high, high_low, wide, wide_low, ..] = *segment else { return Err(DAMAGED) };
                let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                if size.replace(sides(side(wide, wide_low), side(high, high_low))?).is_some() {
                    return Err(DAMAGED);
                }
                true
            }
            // Tables, and how often it starts anew.
            0xc4 | 0xdb | 0xdd => true,
            0xda => {
                let (drawn, next) = split(behind, drawn(behind)?)?;
                bytes.extend_from_slice(start);
                bytes.extend_from_slice(segment);
                bytes.extend_from_slice(drawn);
                (behind, is_drawn) = (next, true);
                false
            }
            // What says how its colours are meant.
            0xe0 => segment.get(2..).is_some_and(|body| body.starts_with(b"JFIF\0")),
            0xee => segment.get(2..).is_some_and(|body| body.starts_with(b"Adobe")),
            0xe1..=0xed | 0xef | 0xfe => false,
            _ => return Err(DAMAGED),
        };
        if is_kept {
            bytes.extend_from_slice(start);
            bytes.extend_from_slice(segment);
        }
        rest = behind;
    }
    let (width, height) = size.filter(|_| is_drawn).ok_or(DAMAGED)?;
    Ok(Image { format: ImageFormat::Jpeg, width, height, bytes })
}

/// Bytes up to the next marker that is none of what is drawn: an `ff` that stands for itself has a zero behind it.
fn drawn(bytes: &[u8]) -> Result<usize, NotTaken> {
    let is_next = |pair: &[u8]| matches!(pair, [0xff, marker] if !matches!(marker, 0 | 0xd0..=0xd7 | 0xff));
    bytes.windows(2).position(is_next).ok_or(DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length, kind.as_slice(), body, &[0; 4]].concat()
    }

    fn header(width: u32, height: u32) -> Vec<u8> {
        chunk(b"IHDR", &[&width.to_be_bytes(), height.to_be_bytes().as_slice(), &[8, 6, 0, 0, 0]].concat())
    }

    fn png_of(chunks: &[Vec<u8>]) -> Vec<u8> {
        [PNG, &chunks.concat()].concat()
    }

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], length.as_slice(), body].concat()
    }

    fn frame(width: u16, height: u16) -> Vec<u8> {
        segment(
            0xc0,
            &[&[8], height.to_be_bytes().as_slice(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat(),
        )
    }

    fn jpeg_of(segments: &[Vec<u8>]) -> Vec<u8> {
        [JPEG, &segments.concat()].concat()
    }

    fn scan() -> Vec<u8> {
        [segment(0xda, &[1, 1, 0, 0, 63, 0]).as_slice(), &[1, 0xff, 0, 0xff, 0xd0, 2]].concat()
    }

    const END: [u8; 2] = [0xff, 0xd9];

    #[test]
    fn of_a_png_what_is_drawn_is_kept() {
        let (data, end) = (chunk(b"IDAT", b"data"), chunk(b"IEND", b""));
        let plain = png_of(&[header(300, 200), chunk(b"tRNS", b"t"), data.clone(), end.clone()]);
        let image = Image::read(&plain).unwrap();
        assert_eq!((image.format, image.width, image.height), (ImageFormat::Png, 300, 200));
        assert_eq!(image.bytes, plain);
        let words = png_of(&[
            header(300, 200),
            chunk(b"tEXt", b"Comment\0words"),
            chunk(b"tRNS", b"t"),
            chunk(b"eXIf", b"where"),
            data,
            end,
            b"<script>behind</script>".to_vec(),
        ]);
        assert_eq!(Image::read(&words).unwrap().bytes, plain);
    }

    #[test]
    fn of_a_jpeg_what_is_drawn_is_kept() {
        let jfif = segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        let plain =
            jpeg_of(&[jfif.clone(), segment(0xdb, &[0; 65]), frame(640, 480), scan(), scan(), END.to_vec()]);
        let image = Image::read(&plain).unwrap();
        assert_eq!((image.format, image.width, image.height), (ImageFormat::Jpeg, 640, 480));
        assert_eq!(image.bytes, plain);
        let words = jpeg_of(&[
            jfif,
            segment(0xe1, b"Exif\0\0where"),
            segment(0xfe, b"words"),
            vec![0xff],
            segment(0xdb, &[0; 65]),
            frame(640, 480),
            scan(),
            scan(),
            END.to_vec(),
            b"behind".to_vec(),
        ]);
        assert_eq!(Image::read(&words).unwrap().bytes, plain);
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let (data, end) = (chunk(b"IDAT", b"data"), chunk(b"IEND", b""));
        let png = |width, height| png_of(&[header(width, height), data.clone(), end.clone()]);
        let jpeg = |width, height| jpeg_of(&[frame(width, height), scan(), END.to_vec()]);
        assert!(Image::read(&png(1024, 1024)).is_ok() && Image::read(&jpeg(1024, 1024)).is_ok());
        for (sent, what) in [
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), NEITHER),
            (b"GIF89a".to_vec(), NEITHER),
            (Vec::new(), NEITHER),
            (png(1025, 1), TOO_LARGE),
            (png(1, 0x0100_0001), TOO_LARGE),
            (png(0, 1), DAMAGED),
            (jpeg(1025, 1), TOO_LARGE),
            (jpeg(1, 1025), TOO_LARGE),
            (jpeg(1, 0), DAMAGED),
            (png_of(&[data.clone(), header(1, 1), end.clone()]), DAMAGED),
            (png_of(&[header(1, 1), header(1, 1), data.clone(), end.clone()]), DAMAGED),
            (png_of(&[header(1, 1), end.clone()]), DAMAGED),
            (png_of(&[header(1, 1), data.clone()]), DAMAGED),
            (png_of(&[header(1, 1), chunk(b"ABCD", b""), data.clone(), end.clone()]), DAMAGED),
            (jpeg_of(&[scan(), END.to_vec()]), DAMAGED),
            (jpeg_of(&[frame(1, 1), END.to_vec()]), DAMAGED),
            (jpeg_of(&[frame(1, 1), frame(1, 1), scan(), END.to_vec()]), DAMAGED),
            (jpeg_of(&[frame(1, 1), scan()]), DAMAGED),
            (jpeg_of(&[segment(0xc3, &[8, 0, 1, 0, 1]), scan(), END.to_vec()]), DAMAGED),
        ] {
            assert_eq!(Image::read(&sent), Err(what), "{sent:02x?}");
        }
        // Cut anywhere, it is none, and nothing panics.
        for whole in [png(3, 2), jpeg(3, 2)] {
            for length in 0..whole.len() {
                assert!(Image::read(whole.get(..length).unwrap()).is_err(), "{length}");
            }
        }
        let filled = |length| png_of(&[header(1, 1), chunk(b"IDAT", &vec![0; length]), end.clone()]);
        let longest = IMAGE_BYTES_MAX - filled(0).len();
        assert!(Image::read(&filled(longest)).is_ok());
        assert_eq!(Image::read(&filled(longest + 1)), Err(TOO_LONG));
    }
}
